// The page's dialogs. Each function opens or answers one; what the user decides comes back through a callback.

import { find, setText } from "./view.js";

const NAME = "giveaway.name"; // of the storage: the name that was given the last time

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

export function onJoin(callback) {
  find("join-name").value = localStorage.getItem(NAME) ?? "";
  onSubmit("join-form", ({ name }, submitter) => {
    localStorage.setItem(NAME, name);
    callback(submitter?.value === "spectator" ? "spectator" : "player", name);
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
export function confirm({ question, detail = "", answer }, callback) {
  setText(find("confirm-text"), question);
  setText(find("confirm-detail"), detail);
  setText(find("confirm-yes"), answer);
  find("confirm-form").onsubmit = (event) => {
    event.preventDefault();
    close("confirm-dialog");
    callback();
  };
  open("confirm-dialog");
}
