"use strict";
// Plays words, marks the one being spoken, and shows the sounds of the one under the pointer.
const sound = document.getElementById("sound");
const head = document.getElementById("head");
const detail = document.getElementById("detail");
const words = [...document.querySelectorAll(".text button")];
let stopAt = Infinity;
let frame = 0; // id of the requested animation frame: playing, seeking and pausing call follow()

function show(button) {
  const row = document.getElementById("word-" + button.dataset.number);
  const name = document.createElement("strong");
  name.textContent = row.cells[0].textContent;
  const facts = document.createElement("span");
  facts.textContent = row.cells[1].textContent.trim() + " · " + row.cells[2].textContent;
  const sounds = document.createElement("span");
  sounds.className = "sounds";
  sounds.append(...[...row.cells[3].children].map((one) => one.cloneNode(true)));
  detail.replaceChildren(name, facts, sounds);
}

function play(button) {
  sound.currentTime = button.dataset.start / 1000;
  stopAt = button.dataset.end / 1000;
  sound.play();
}

function follow() {
  const now = 1000 * sound.currentTime;
  if (sound.currentTime >= stopAt) sound.pause();
  for (const button of words) {
    const isSpoken = !sound.paused && button.dataset.start <= now && now < button.dataset.end;
    if (isSpoken !== button.classList.contains("spoken")) {
      button.classList.toggle("spoken", isSpoken);
      if (isSpoken) show(button);
    }
  }
  head.setAttribute("x1", now);
  head.setAttribute("x2", now);
  cancelAnimationFrame(frame);
  if (!sound.paused) frame = requestAnimationFrame(follow);
}

for (const button of document.querySelectorAll("button[data-start]")) {
  button.addEventListener("click", () => play(button));
}
for (const button of words) {
  button.addEventListener("focus", () => show(button));
  button.addEventListener("mouseenter", () => show(button));
}
sound.addEventListener("play", follow);
sound.addEventListener("pause", () => {
  stopAt = Infinity;
  follow();
});
sound.addEventListener("seeked", follow);
