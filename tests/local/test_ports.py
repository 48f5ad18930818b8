import socket

from local.ports import HOST, choose_ports


def test_every_name_gets_a_port_of_its_own(tmp_path):
    ports = choose_ports("abcdefgh", tmp_path / "ports.json")
    assert list(ports) == list("abcdefgh")
    assert len(set(ports.values())) == 8


def test_the_same_ports_come_again(tmp_path):
    memory = tmp_path / "ports.json"
    assert choose_ports("ab", memory) == choose_ports("ab", memory)


def test_a_port_that_was_taken_meanwhile_is_replaced_alone(tmp_path):
    memory = tmp_path / "ports.json"
    before = choose_ports("ab", memory)
    with socket.create_server((HOST, before["a"])):
        after = choose_ports("ab", memory)
    assert after["a"] != before["a"]
    assert after["b"] == before["b"]


def test_a_new_name_joins_the_remembered_ones(tmp_path):
    memory = tmp_path / "ports.json"
    before = choose_ports("a", memory)
    assert choose_ports("ab", memory)["a"] == before["a"]
