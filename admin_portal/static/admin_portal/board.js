// The board asks for itself every few seconds while somebody looks, and says so when what it shows is old.
(() => {
  "use strict";
  const board = document.getElementById("board");
  const banner = document.getElementById("board-stale");
  if (!board || !banner || !window.htmx) return;

  const every = Number(board.dataset.every) * 1000;
  const patience = every * 2.5; // one answer may get lost on the way
  const grace = 4000; // a tab that was hidden first asks again
  let heardAt = Date.now();
  let shownAt = 0;
  let waiting = false;
  let signedOut = false;

  const clock = (ms) => {
    const seconds = Math.floor(ms / 1000);
    const two = (number) => String(number).padStart(2, "0");
    const hours = Math.floor(seconds / 3600);
    return (hours ? `${hours}:${two(Math.floor((seconds % 3600) / 60))}` : String(Math.floor(seconds / 60))) + `:${two(seconds % 60)}`;
  };

  const judge = () => {
    const age = Date.now() - heardAt;
    const stale = signedOut || (age > patience && Date.now() - shownAt > grace);
    banner.hidden = !stale;
    board.classList.toggle("board-is-stale", stale);
    if (stale) {
      banner.querySelector("[data-age]").textContent = clock(age);
      banner.querySelector("[data-signed-out]").hidden = !signedOut;
      banner.querySelector("[data-away]").hidden = signedOut;
    }
  };

  const ask = () => {
    if (document.hidden || waiting || signedOut) return;
    waiting = true;
    window.htmx.trigger(board, "board:ask");
  };

  // What a person has opened stays open, and what has the focus keeps it.
  let open = [];
  let focus = null;
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target !== board) return;
    open = [...board.querySelectorAll("details[open][id]")].map((element) => element.id);
    const active = document.activeElement;
    focus = board.contains(active) ? active.getAttribute("href") : null;
  });
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target !== board) return;
    open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    if (focus) board.querySelector(`[href="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
  });
  board.addEventListener("htmx:afterRequest", (event) => {
    waiting = false;
    if (event.detail.successful) heardAt = Date.now();
    if (event.detail.xhr && [401, 403].includes(event.detail.xhr.status)) signedOut = true;
    judge();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    shownAt = Date.now();
    ask();
  });
  setInterval(ask, every);
  setInterval(judge, 1000);
})();
