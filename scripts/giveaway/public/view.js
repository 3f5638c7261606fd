// Shows the state on the page. Names and everything else that people typed go in as text, never as markup.

const SINCE = { dateStyle: "medium", timeStyle: "short" };
const UNKNOWN = "Somebody who has left";
const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "narrow" });

export const find = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function setText(target, text) {
  if (target.textContent !== text) {
    target.textContent = text;
  }
}

function setData(target, key, value) {
  if (target.dataset[key] !== value) {
    target.dataset[key] = value;
  }
}

const nameOf = (connection) => connection?.name || "Anonymous";
const text = (value, otherwise) => (value === undefined || value === "" ? otherwise : String(value));

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
  renderStats(state);
  renderPrizes(state);
  renderRoster(state);
  renderNotifications(state);
}

function renderStatus({ link, joining }) {
  const seconds = Math.max(0, Math.ceil((link.until - Date.now()) / 1000));
  const words = {
    connecting: "Connecting…",
    open: "Connected",
    waiting: "Reconnecting…",
    closed: "Disconnected",
  };
  setData(document.body, "state", link.state);
  setText(find("connection-status"), words[link.state]);
  const live = link.state === "open" || link.state === "connecting";
  setText(find("connection-toggle"), live ? "Disconnect" : "Reconnect");

  find("offline").hidden = live;
  const cause = link.reason ? `: ${link.reason}` : "";
  setText(
    find("offline-text"),
    link.state === "waiting"
      ? `The connection is lost${cause}. Next attempt in ${seconds} s.`
      : `You are disconnected${cause}.`,
  );
  find("join").hidden = link.state !== "open" || !joining;
}

function renderSelf({ self }) {
  setText(find("me-name"), self?.name ?? "");
  const type = find("me-type");
  type.hidden = !self;
  setText(type, self?.type ?? "");
  setData(type, "type", self?.type ?? "");
  find("me-admin").hidden = !self?.admin;
}

function renderStats({ connections, prizes, uptime, link }) {
  const count = (type) => connections.filter((connection) => connection.type === type).length;
  setText(find("connection-count"), String(connections.length));
  setText(find("player-count"), String(count("player")));
  setText(find("spectator-count"), String(count("spectator")));
  setText(find("uptime"), clock(uptime.elapsed));
  const since = uptime.start ? `since ${dateOf(uptime.start).toLocaleString("en", SINCE)}` : "–";
  setText(find("uptime-since"), since);

  const left = prizes.filter((prize) => !prize.awarded);
  setText(find("prizes-left"), String(left.length));
  find("draw-winner").disabled = left.length === 0;
  setText(find("prizes-total"), String(prizes.length));
  const next = left.length > 0 ? `Next: ${text(left[0].name, "a surprise")}` : "All prizes are won";
  setText(find("prizes-next"), prizes.length > 0 ? next : "No prize to win yet");

  for (const button of document.querySelectorAll(".stat button")) {
    button.disabled = link.state !== "open";
  }
}

function renderPrizes({ prizes, people }) {
  find("prizes-empty").hidden = prizes.length > 0;
  const next = prizes.find((prize) => !prize.awarded);
  sync(find("prizes"), prizes, makePrize, (item, prize) => {
    setText(item.querySelector(".prize-name"), text(prize.name, "A surprise"));
    setText(item.querySelector(".prize-sponsor"), prize.sponsor ? `from ${prize.sponsor}` : "");
    const winner = people.get(prize.winner);
    const won = `Won by ${winner ? nameOf(winner) : UNKNOWN.toLowerCase()}`;
    setData(item, "awarded", String(Boolean(prize.awarded)));
    setData(item, "next", String(prize === next));
    setText(item.querySelector(".prize-state"), prize.awarded ? won : prize === next ? "Up next" : "");
  });
}

function makePrize() {
  return element(
    "li",
    {},
    element("span", { className: "prize-name" }),
    element("span", { className: "prize-sponsor" }),
    element("span", { className: "prize-state" }),
  );
}

function renderRoster({ connections, self, now, link }) {
  find("roster").hidden = connections.length === 0;
  find("roster-empty").hidden = connections.length > 0;
  sync(find("roster-rows"), connections, makeRow, (row, connection) => {
    const own = connection.uuid === self?.uuid;
    const cell = (name) => row.querySelector(`[data-column=${name}]`);
    setData(row, "self", String(own));
    setText(row.querySelector(".row-name"), nameOf(connection));
    row.querySelector(".row-you").hidden = !own;
    row.querySelector(".row-admin").hidden = !connection.admin;
    setText(cell("email"), text(connection.email, "–"));
    setText(cell("uuid"), connection.uuid);
    setText(cell("ip_address"), text(connection.ip_address, "–"));

    const time = row.querySelector("time");
    setText(time, timeAgo(connection.timestamp, now));
    if (time.dateTime === "" && connection.timestamp) {
      time.dateTime = dateOf(connection.timestamp).toISOString();
      time.title = dateOf(connection.timestamp).toLocaleString();
    }

    const badge = row.querySelector("[data-type]");
    setText(badge, text(connection.type, ""));
    setData(badge, "type", text(connection.type, ""));

    const ping = row.querySelector("[data-ping]");
    ping.hidden = own;
    ping.disabled = link.state !== "open";
    setData(ping, "ping", connection.uuid);
    ping.ariaLabel = `Ping ${nameOf(connection)}`;
  });
}

function makeRow() {
  const cell = (column, label, ...children) => {
    const made = element("td", { role: "cell" }, ...children);
    Object.assign(made.dataset, { column, label });
    return made;
  };
  const badge = element("span", { className: "badge" });
  badge.dataset.type = "";
  const ping = element("button", { className: "small", type: "button", textContent: "Ping" });
  ping.dataset.ping = "";
  return element(
    "tr",
    { role: "row" },
    cell(
      "name",
      "Name",
      element("span", { className: "row-name" }),
      element("span", { className: "row-you tag", textContent: "you" }),
      element("span", { className: "row-admin tag", textContent: "admin" }),
    ),
    cell("email", "Email"),
    cell("uuid", "Connection"),
    cell("ip_address", "IP address"),
    cell("timestamp", "Time", element("time")),
    cell("type", "Status", badge),
    cell("ping", "", ping),
  );
}

function renderNotifications({ notifications, people, now, link }) {
  const count = notifications.length;
  const badge = find("notification-count");
  badge.hidden = count === 0;
  setText(badge, String(count));
  find("bell").ariaLabel = `Notifications: ${count}`;
  find("dismiss").hidden = count === 0 || link.state !== "open";
  find("notification-empty").hidden = count > 0;
  sync(find("notification-list"), notifications, makeNotification, (item, notification) => {
    const sender = people.get(notification.sender);
    setText(item.querySelector("strong"), sender ? nameOf(sender) : UNKNOWN);
    setText(item.querySelector("time"), timeAgo(notification.timestamp, now));
  });
}

function makeNotification() {
  return element(
    "li",
    {},
    element("span", {}, element("strong"), " pinged you"),
    element("time"),
  );
}

// Makes the children of a list those of the items, known by uuid, and touches only what has changed.
function sync(list, items, make, update) {
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
    const child = known.get(String(item.uuid)) ?? make();
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
  const close = element("button", { className: "quiet", type: "button", textContent: "✕" });
  close.ariaLabel = "Close";
  const shown = element("div", { className: "toast" }, element("p", { textContent: message }), close);
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
