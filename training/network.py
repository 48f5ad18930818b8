"""The network of `speech/scores/network.py` in torch, for training.

Parameters have the names of the run-time arrays. Utterances come end to end, as batched by
`training/batches.py`.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from speech.scores.layers import FARTHEST, HEADS, STEEPEST
from speech.scores.network import (
    DILATIONS,
    LAYERS,
    LEAST,
    MARK_SCORES,
    MARKS,
    PHONES,
    STATES,
    STEP,
)
from training.batches import Batch

ENCODER_WIDTH = 160
TOKEN_WIDTH = 96
HIDDEN = 48
DROPOUT = 0.15
VOICE_DROPOUT = 0.5
POSITIONS = 4
SCORES = 4


@dataclass(frozen=True, slots=True)
class Outputs:
    """Outputs for one batch; scores from 0 to 2."""

    states: Tensor  # (N, 118), logits
    recalled: Tensor | None  # (N, E)
    marks: Tensor  # (P, 3), logits
    phones: Tensor  # (P,)
    words: Tensor  # (W,)
    scores: Tensor  # (B, 4)


class Encoder(nn.Module):
    """Encodes steps of two frames by four residual convolutions of growing dilation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.input = nn.Linear(width, ENCODER_WIDTH)
        self.convolutions = nn.ModuleList(
            nn.Linear(3 * ENCODER_WIDTH, ENCODER_WIDTH) for _ in DILATIONS
        )
        self.states = nn.Linear(ENCODER_WIDTH, STATES)
        for convolution in self.convolutions:
            nn.init.normal_(convolution.weight, std=0.5 * (3 * ENCODER_WIDTH) ** -0.5)

    def forward(self, steps: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
        """Return activations (N, 160) and the states' logits (N, 118)."""
        # Half precision trains equally well, and several times faster on processors with bfloat16.
        with torch.autocast("cpu", torch.bfloat16, enabled=self.training):
            hidden = self.input(steps)
            count = len(hidden)
            # One mask for all four: drawing four would take a tenth of the time.
            dropped = functional.dropout(torch.ones_like(hidden), DROPOUT, self.training)
            inside = inside.to(hidden.dtype)
            for dilation, convolution in zip(DILATIONS, self.convolutions, strict=True):
                # Keep utterances from affecting each other.
                quiet = functional.relu(hidden) * inside
                padded = functional.pad(quiet, (0, 0, dilation, dilation))
                taps = [padded[tap * dilation : tap * dilation + count] for tap in range(3)]
                hidden = hidden + dropped * convolution(torch.cat(taps, 1))
            hidden = functional.relu(hidden)
            states = self.states(hidden)
        return hidden.float(), states.float()


class Layer(nn.Module):
    """One layer of the transformer over phones, normalised before each half."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.LayerNorm(TOKEN_WIDTH)
        self.attend = nn.Linear(TOKEN_WIDTH, 3 * TOKEN_WIDTH)
        self.distance_table = nn.Parameter(torch.zeros(HEADS, 2 * FARTHEST + 1))
        self.mix = nn.Linear(TOKEN_WIDTH, TOKEN_WIDTH)
        self.between = nn.LayerNorm(TOKEN_WIDTH)
        self.widen = nn.Linear(TOKEN_WIDTH, 2 * TOKEN_WIDTH)
        self.narrow = nn.Linear(2 * TOKEN_WIDTH, TOKEN_WIDTH)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, tokens: Tensor, batch: Batch) -> Tensor:
        """Apply attention among the phones of each utterance; tokens (P, 96)."""
        count = int(batch.place_of_phone.max()) + 1
        where = (batch.utterance_of_phone, batch.place_of_phone)
        padded = tokens.new_zeros(len(batch.utterance), count, 3 * TOKEN_WIDTH)
        padded = padded.index_put(where, self.attend(self.before(tokens)))
        query, key, value = padded.unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        places = torch.arange(count)
        distances = (places[None] - places[:, None]).clamp(-FARTHEST, FARTHEST) + FARTHEST
        absent = torch.ones(len(batch.utterance), count, dtype=torch.bool).index_put(
            where, torch.tensor(False)
        )
        bias = self.distance_table[:, distances].masked_fill(absent[:, None, None], -1e9)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        tokens = tokens + self.dropout(self.mix(mixed.transpose(1, 2).flatten(2)[where]))
        inner = self.widen(self.between(tokens))
        return tokens + self.dropout(self.narrow(functional.relu(inner)))


class Head(nn.Module):
    """One hidden layer, then logits."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, HIDDEN)
        self.out = nn.Linear(HIDDEN, outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits."""
        inner = functional.dropout(functional.relu(self.hidden(tokens)), DROPOUT, self.training)
        return self.out(inner)


class WordHead(Head):
    """Accuracy of words, from their phones' tokens."""

    def __init__(self) -> None:
        super().__init__(2 * TOKEN_WIDTH, 1)
        self.attention = nn.Linear(TOKEN_WIDTH, 1)


class UtteranceHead(Head):
    """Four scores of an utterance: linear in its features, plus a correction likewise."""

    def __init__(self, feature_width: int, embedding_width: int) -> None:
        super().__init__(2 * TOKEN_WIDTH + HIDDEN, SCORES)
        self.attention = nn.Linear(TOKEN_WIDTH, 1)
        self.features = nn.Linear(feature_width + embedding_width, HIDDEN)
        self.direct = nn.Linear(feature_width, SCORES)


class TrainedNetwork(nn.Module):
    """One member, with dropout in training.

    Args:
        frame_width: Numbers per frame.
        embedding_width: Numbers per embedding.
        goodness_width: Numbers per phone.
        feature_width: Numbers per utterance.
        hears: Whether it has the embeddings as input. If not, its encoder learns to tell them
            from the frames (distillation).
    """

    def __init__(
        self,
        frame_width: int,
        embedding_width: int,
        goodness_width: int,
        feature_width: int,
        *,
        hears: bool,
    ) -> None:
        super().__init__()
        self.hears = hears
        heard_width = embedding_width if hears else 0
        self.encoder = Encoder(STEP * frame_width + heard_width)
        self.recall = None if hears else nn.Linear(ENCODER_WIDTH, embedding_width)
        width = ENCODER_WIDTH + PHONES + 1 + 2 + goodness_width
        self.tokens = nn.Linear(width, TOKEN_WIDTH)
        self.phone_table = nn.Parameter(0.1 * torch.randn(PHONES, TOKEN_WIDTH))
        self.position_table = nn.Parameter(0.1 * torch.randn(POSITIONS, TOKEN_WIDTH))
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.after = nn.LayerNorm(TOKEN_WIDTH)
        self.phone = Head(TOKEN_WIDTH, MARKS)
        self.word = WordHead()
        self.utterance = UtteranceHead(feature_width, heard_width)

    def start_at(self, marks: Tensor, words: float, scores: Tensor) -> None:
        """Initialise the heads at the mean marks, and at the mean scores, 0 to 2."""
        with torch.no_grad():
            self.phone.out.bias.copy_(marks.log())
            self.word.out.bias.fill_(_logit(torch.tensor(words)))
            self.utterance.out.bias.copy_(_logit(scores))
            self.utterance.direct.weight.zero_()
            self.utterance.direct.bias.zero_()

    def listen(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the encoder's activations (N, 160), states' logits, and recalled embeddings."""
        heard = [batch.frames, batch.embeddings] if self.hears else [batch.frames]
        hidden, states = self.encoder(torch.cat(heard, 1), batch.inside)
        return hidden, states, self.recall(hidden) if self.recall else None

    def forward(self, batch: Batch) -> Outputs:
        """Score a batch."""
        hidden, states, recalled = self.listen(batch)
        tokens = self._tokens(hidden, states, batch)
        for layer in self.layers:
            tokens = layer(tokens, batch)
        tokens = self.after(tokens)
        marks = self.phone(tokens)
        gathered = _attended(
            self.word.attention, tokens, batch.phones[:, 2], len(batch.word_accuracy)
        )
        whole = _attended(
            self.utterance.attention, tokens, batch.utterance_of_phone, len(batch.utterance)
        )
        known = [batch.utterance]
        if self.hears:
            # Undisturbed, the few voices would be learnt by heart.
            known.append(functional.dropout(batch.mean_embeddings, VOICE_DROPOUT, self.training))
        features = functional.relu(self.utterance.features(torch.cat(known, 1)))
        scores = self.utterance(torch.cat([whole, features], 1))
        scores = scores + self.utterance.direct(batch.utterance)
        return Outputs(
            states,
            recalled,
            marks,
            torch.softmax(marks, 1) @ torch.tensor(MARK_SCORES),
            2 * torch.sigmoid(self.word(gathered)[:, 0]),
            2 * torch.sigmoid(scores),
        )

    def _tokens(self, hidden: Tensor, states: Tensor, batch: Batch) -> Tensor:
        probable = torch.softmax(states, 1)
        by_phone = probable[:, : 3 * PHONES].unflatten(1, (3, PHONES)).sum(1)
        values = torch.cat([hidden, by_phone, probable[:, 3 * PHONES :], batch.inside], 1)
        values = values[batch.step_of_frame]
        count = len(batch.phones)
        sums = values.new_zeros(count + 1, values.shape[1])
        sums = sums.index_add(0, batch.phone_of_frame, values)[:count]
        pooled = sums[:, :-1] / sums[:, -1:]
        said = pooled[:, ENCODER_WIDTH:].clamp_min(LEAST).log()
        phone = batch.phones[:, :1]
        own = said.gather(1, phone)
        rival = said.scatter(1, phone, -torch.inf).amax(1, keepdim=True)
        measured = [pooled[:, :ENCODER_WIDTH], said, own, own - rival, batch.goodness]
        tokens = self.tokens(functional.dropout(torch.cat(measured, 1), DROPOUT, self.training))
        positions = self.position_table[batch.phones[:, 1]]
        return tokens + self.phone_table[phone[:, 0]] + positions

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return weights in the format of `speech.scores.network`: matrices (in, out)."""
        return {
            name: np.ascontiguousarray(
                value.numpy().T if name.endswith(".weight") and value.ndim > 1 else value.numpy()
            )
            for name, value in self.state_dict().items()
            if not name.startswith("recall.")
        }


def _attended(attention: nn.Linear, tokens: Tensor, group: Tensor, count: int) -> Tensor:
    weights = attention(tokens).clamp(-STEEPEST, STEEPEST).exp()
    values = torch.cat([tokens, tokens * weights, weights, torch.ones_like(weights)], 1)
    sums = values.new_zeros(count, values.shape[1]).index_add(0, group, values)
    width = tokens.shape[1]
    return torch.cat([sums[:, :width] / sums[:, -1:], sums[:, width:-2] / sums[:, -2:-1]], 1)


def _logit(score: Tensor) -> Tensor:
    return torch.logit(score / 2, eps=0.01)
