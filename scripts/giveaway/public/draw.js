// The draw, as everybody sees it: names run past, slow down, and stop at the winner.

import { find, setText } from "./view.js";

const RUN = 3200; // ms that the names run
const STAY = 7000; // ms that the result stays, except for the winner
const NAMES = 26; // that run past
const PIECES = 70; // of confetti

const dialog = find("draw-dialog");
let last = Promise.resolve();

// Shows a draw after those before it.
export function reveal(draw) {
  last = last.then(() => show(draw));
}

const wantsMotion = () => !document.hidden && !matchMedia("(prefers-reduced-motion: reduce)").matches;

async function show({ prize, winner, isMine, names }) {
  const closed = new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  setText(find("draw-prize"), prize.name ?? "A surprise");
  setText(find("draw-sponsor"), prize.sponsor ? ` from ${prize.sponsor}` : "");
  setText(find("draw-title"), "");
  setText(find("draw-text"), "");
  dialog.dataset.phase = "running";
  dialog.showModal();
  if (wantsMotion() && names.length > 1) {
    await Promise.race([run(names, winner), closed]);
  }
  dialog.dataset.phase = isMine ? "mine" : "done";
  setText(find("draw-title"), isMine ? "You have won!" : `${winner} wins!`);
  setText(find("draw-text"), isMine ? "Please see the host to collect it." : "Congratulations.");
  if (wantsMotion()) {
    throwConfetti();
  }
  const timer = isMine ? 0 : setTimeout(() => dialog.close(), STAY);
  await closed;
  clearTimeout(timer);
}

// Has names run past, in an order of chance; the last is the winner's.
async function run(names, winner) {
  const list = find("draw-reel").firstElementChild;
  const order = Array.from({ length: NAMES }, () => names[Math.floor(Math.random() * names.length)]);
  list.replaceChildren(...[...order, winner].map((name) => Object.assign(document.createElement("li"), { textContent: name })));
  const end = `translateY(-${(100 * NAMES) / (NAMES + 1)}%)`;
  const easing = "cubic-bezier(0.12, 0.7, 0.1, 1)";
  await list.animate([{ transform: "none" }, { transform: end }], { duration: RUN, easing, fill: "forwards" }).finished;
}

// Lets pieces of paper fall from the top of the dialog.
function throwConfetti() {
  const from = (least, most) => least + Math.random() * (most - least);
  for (let n = 0; n < PIECES; n++) {
    const piece = document.createElement("i");
    piece.className = `confetti kind-${n % 5}`;
    dialog.append(piece);
    const [x, y] = [from(-46, 46), from(60, 110)];
    const falls = piece.animate(
      [
        { transform: "translate(0, 0) rotate(0)", opacity: 1 },
        { transform: `translate(${x * 0.7}vw, ${from(-34, -8)}vh) rotate(${from(-360, 360)}deg)`, opacity: 1, offset: 0.25 },
        { transform: `translate(${x}vw, ${y}vh) rotate(${from(-1080, 1080)}deg)`, opacity: 0 },
      ],
      { duration: from(2200, 4200), easing: "cubic-bezier(0.2, 0.6, 0.5, 1)", fill: "both" },
    );
    falls.finished.then(() => piece.remove());
  }
}
