// A part of a page that asks for itself (data-live: every so many seconds) says so when what it shows is old.
(() => {
  "use strict";
  const part = document.querySelector("[data-live]");
  const banner = document.getElementById("live-stale");
  if (!part || !banner) return;

  const OVER = 286; // the server says: nothing will change any more
  const patience = Math.max(Number(part.dataset.live) * 3000, 6000); // one answer may get lost on the way
  let heardAt = Date.now();
  let over = false;
  let signedOut = false;

  const judge = () => {
    const age = Date.now() - heardAt;
    const stale = !over && (signedOut || age > patience);
    banner.hidden = !stale;
    part.classList.toggle("live-is-stale", stale);
    if (!stale) return;
    const seconds = Math.floor(age / 1000);
    banner.querySelector("[data-age]").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    banner.querySelector("[data-signed-out]").hidden = !signedOut;
    banner.querySelector("[data-away]").hidden = signedOut;
  };

  part.addEventListener("htmx:afterRequest", (event) => {
    if (event.target !== part) return;
    const status = event.detail.xhr ? event.detail.xhr.status : 0;
    if (event.detail.successful) heardAt = Date.now();
    if (status === OVER) over = true;
    if (status === 401 || status === 403) signedOut = true;
    judge();
  });
  setInterval(judge, 1000);
})();
