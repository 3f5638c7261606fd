// The page's dialogs. Each function opens or answers one; what the user decides comes back through a callback.

import { find } from "./view.js";

function open(id) {
  const dialog = find(id);
  if (!dialog.open) {
    dialog.showModal();
  }
}

export function close(id) {
  find(id).close();
}

// Calls back with the values of a form's fields when it is submitted.
function onSubmit(id, callback) {
  const form = find(id);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    callback(Object.fromEntries(new FormData(form)), event.submitter);
  });
}

// Makes the buttons that only close a dialog do so.
for (const button of document.querySelectorAll("dialog [data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

// The join form, filled in with what was given the last time.
export function onJoin(callback) {
  const inputs = ["first-name", "last-name", "email"].map(find);
  for (const input of inputs) {
    input.value = localStorage.getItem(`giveaway.${input.id}`) ?? "";
  }
  onSubmit("join-form", ({ first, last, email }, submitter) => {
    for (const input of inputs) {
      localStorage.setItem(`giveaway.${input.id}`, input.value);
    }
    callback(submitter?.value === "spectator" ? "spectator" : "player", { name: { first, last }, email });
  });
}

// The password dialog. onPassword is called with each attempt, onCancel when the user gives up.
export function setupPassword(onPassword, onCancel) {
  onSubmit("password-form", ({ password }) => {
    find("password-submit").disabled = true;
    find("password-error").hidden = true;
    onPassword(password);
  });
  find("password-dialog").addEventListener("close", () => {
    find("password-form").reset();
    onCancel();
  });
}

export function askPassword() {
  find("password-error").hidden = true;
  find("password-submit").disabled = false;
  open("password-dialog");
}

// The attempt was wrong: says so, if the user is still there.
export function refusePassword() {
  find("password-error").hidden = false;
  find("password-submit").disabled = false;
  find("password").value = "";
  find("password").focus();
}

export function setupPrize(callback) {
  find("add-prize").addEventListener("click", () => open("prize-dialog"));
  onSubmit("prize-form", ({ name, sponsor }) => {
    find("prize-form").reset();
    close("prize-dialog");
    callback({ name, sponsor });
  });
}

// Asks before it calls back.
export function confirm(question, callback) {
  find("confirm-text").textContent = question;
  find("confirm-form").onsubmit = (event) => {
    event.preventDefault();
    close("confirm-dialog");
    callback();
  };
  open("confirm-dialog");
}

export function congratulate(prize) {
  find("winner-prize").textContent = prize.name ?? "A surprise";
  find("winner-sponsor").textContent = prize.sponsor ? ` from ${prize.sponsor}` : "";
  open("winner-dialog");
}
