// Shows the state on the page. Names and everything else that people typed go in as text, never as markup.

const SINCE = { dateStyle: "medium", timeStyle: "short" };
const UNKNOWN = "somebody who has left";
const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "narrow" });

export const find = (id) => document.getElementById(id);

export function setText(target, text) {
  if (target.textContent !== text) {
    target.textContent = text;
  }
}

function setData(target, key, value) {
  if (target.dataset[key] !== value) {
    target.dataset[key] = value;
  }
}

export const nameOf = (connection) => connection?.name || "Anonymous";
const text = (value, otherwise) => (value === undefined || value === "" ? otherwise : String(value));
const isLive = (link) => link.state === "open" || link.state === "connecting";

// Seconds since 1970, by the server's clock, as "2 min ago".
function timeAgo(timestamp, now) {
  if (typeof timestamp !== "number") return "–";
  const seconds = Math.max(0, Math.round(now - timestamp));
  if (seconds < 10) return "just now";
  if (seconds < 60) return ago.format(-seconds, "second");
  if (seconds < 3600) return ago.format(-Math.floor(seconds / 60), "minute");
  if (seconds < 86_400) return ago.format(-Math.floor(seconds / 3600), "hour");
  return ago.format(-Math.floor(seconds / 86_400), "day");
}

const dateOf = (timestamp) => new Date(timestamp * 1000);

function clock(seconds) {
  const two = (number) => String(number).padStart(2, "0");
  return `${two(Math.floor(seconds / 60))}:${two(Math.floor(seconds) % 60)}`;
}

export function render(state) {
  renderStatus(state);
  renderSelf(state);
  renderPrizes(state);
  renderPeople(state);
  renderNotifications(state);
}

function renderStatus({ link, joining, uptime }) {
  const words = {
    connecting: "Connecting…",
    open: "Connected",
    waiting: "Reconnecting…",
    closed: "Disconnected",
  };
  setData(document.body, "state", link.state);
  setText(find("connection-status"), words[link.state]);
  setText(find("connection-toggle"), link.state === "closed" ? "Connect" : "Disconnect");

  find("offline").hidden = isLive(link);
  const cause = link.reason ? `: ${link.reason}` : "";
  const seconds = Math.max(0, Math.ceil((link.retryAt - Date.now()) / 1000));
  const lost = `The connection is lost${cause}. Next attempt in ${seconds} s.`;
  setText(find("offline-text"), link.state === "waiting" ? lost : `You are disconnected${cause}.`);
  find("join").hidden = !joining;
  setText(find("uptime"), clock(uptime.elapsed));
  setText(find("uptime-since"), uptime.start ? `, since ${dateOf(uptime.start).toLocaleString("en", SINCE)}` : "");
}

function renderSelf({ self, link }) {
  setText(find("me-name"), self?.name ?? "");
  const type = find("me-type");
  type.hidden = !self || self.type === "anonymous";
  setText(type, self?.type ?? "");
  setData(type, "type", self?.type ?? "");
  find("me-admin").hidden = !self?.admin;
  find("host").hidden = !self?.admin;
  find("sign-in").hidden = !self || self.admin;
  for (const button of find("host").querySelectorAll("button")) {
    button.disabled = link.state !== "open";
  }
}

function renderPrizes({ prizes, people, link }) {
  const all = prizes ?? [];
  const left = all.filter((prize) => !prize.awarded);
  setText(find("prizes-left"), String(left.length));
  setText(find("prizes-total"), String(all.length));
  find("prizes-count").hidden = all.length === 0;
  find("prizes-empty").hidden = all.length > 0;
  find("draw-winner").disabled = left.length === 0 || link.state !== "open";
  sync(find("prizes"), all, "prize-template", (item, prize) => {
    setText(item.querySelector(".prize-name"), text(prize.name, "A surprise"));
    setText(item.querySelector(".prize-sponsor"), prize.sponsor ? `from ${prize.sponsor}` : "");
    const winner = prize.winner_name ?? people.get(prize.winner)?.name ?? UNKNOWN;
    setData(item, "awarded", String(Boolean(prize.awarded)));
    setData(item, "next", String(prize === left[0]));
    setText(item.querySelector(".prize-state"), prize.awarded ? `Won by ${winner}` : prize === left[0] ? "Up next" : "");
  });
}

function renderPeople({ connections, self, now, link }) {
  const count = (type) => String(connections.filter((connection) => connection.type === type).length);
  setText(find("connection-count"), String(connections.length));
  setText(find("player-count"), count("player"));
  setText(find("spectator-count"), count("spectator"));
  find("people-empty").hidden = connections.length > 0;
  sync(find("people"), connections, "person-template", (item, connection) => {
    const own = connection.uuid === self?.uuid;
    const part = (name) => item.querySelector(`.${name}`);
    setData(item, "self", String(own));
    setText(part("initials"), initials(connection.name));
    setText(part("person-name"), nameOf(connection));
    part("person-you").hidden = !own;
    part("person-admin").hidden = !connection.admin;

    const time = item.querySelector("time");
    setText(time, timeAgo(connection.timestamp, now));
    if (time.dateTime === "" && connection.timestamp) {
      time.dateTime = dateOf(connection.timestamp).toISOString();
      time.title = dateOf(connection.timestamp).toLocaleString();
    }
    const email = connection.email?.includes("@") ? connection.email : "";
    const known = [email, connection.ip_address, connection.uuid].filter(Boolean);
    setText(part("person-detail"), self?.admin ? known.join(" · ") : ""); // for the host only

    const badge = part("badge");
    badge.hidden = connection.type === "anonymous";
    setText(badge, text(connection.type, ""));
    setData(badge, "type", text(connection.type, ""));

    const ping = item.querySelector("[data-ping]");
    ping.hidden = own;
    ping.disabled = link.state !== "open";
    setData(ping, "ping", connection.uuid);
    ping.ariaLabel = `Ping ${nameOf(connection)}`;
  });
}

// The first letters of the first and the last word of a name.
function initials(name) {
  const words = (name ?? "").match(/\S+/g) ?? ["?"];
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  return letters.map((word) => [...word][0].toUpperCase()).join("");
}

function renderNotifications({ notifications, people, now, link }) {
  const count = notifications.length;
  const badge = find("notification-count");
  badge.hidden = count === 0;
  setText(badge, String(count));
  find("bell").ariaLabel = `Notifications: ${count}`;
  find("dismiss").hidden = count === 0 || link.state !== "open";
  find("notification-empty").hidden = count > 0;
  sync(find("notification-list"), notifications, "notification-template", (item, notification) => {
    setText(item.querySelector("strong"), people.get(notification.sender)?.name ?? "Somebody");
    setText(item.querySelector("time"), timeAgo(notification.timestamp, now));
  });
}

// Makes the children of a list those of the items, known by uuid, and touches only what has changed.
function sync(list, items, template, update) {
  const wanted = new Set(items.map((item) => String(item.uuid)));
  const known = new Map();
  for (const child of Array.from(list.children)) {
    if (wanted.has(child.dataset.uuid)) {
      known.set(child.dataset.uuid, child);
    } else {
      child.remove();
    }
  }
  let place = list.firstElementChild;
  for (const item of items) {
    const child = known.get(String(item.uuid)) ?? find(template).content.firstElementChild.cloneNode(true);
    setData(child, "uuid", String(item.uuid));
    update(child, item);
    if (child === place) {
      place = place.nextElementSibling;
    } else {
      list.insertBefore(child, place);
    }
  }
}

// Shows a message for a while; kind is "info" or "error".
export function toast(message, kind = "info") {
  const close = Object.assign(document.createElement("button"), { className: "quiet", type: "button", textContent: "✕" });
  close.ariaLabel = "Close";
  const shown = Object.assign(document.createElement("div"), { className: "toast" });
  shown.append(Object.assign(document.createElement("p"), { textContent: message }), close);
  shown.dataset.kind = kind;
  if (kind === "error") {
    shown.role = "alert";
  }
  const timer = setTimeout(() => shown.remove(), 7000);
  close.addEventListener("click", () => {
    clearTimeout(timer);
    shown.remove();
  });
  const toasts = find("toasts");
  toasts.append(shown);
  while (toasts.children.length > 4) {
    toasts.firstElementChild.remove();
  }
}
