// The form shows what its action needs, and time that is left is counted down between two answers of the server.
(() => {
  "use strict";
  const form = document.getElementById("steering-form");
  if (form) {
    const value = (name) => form.elements[name]?.value || "";
    const needs = {
      to: () => value("kind") === "switch_channel",
      weights: () => value("kind") === "set_weights",
      rate_per_s: () => value("kind") === "throttle",
      category: () => value("target") === "category:",
      on_channel: () => /^(priority|category|application):/.test(value("target")),
      ends_at: () => value("lasts") === "own",
    };
    const show = () => {
      for (const [name, wanted] of Object.entries(needs)) {
        const field = form.querySelector(`[data-field="${name}"]`);
        if (field) field.classList.toggle("steering-off", !wanted() && !field.querySelector(".errors"));
      }
    };
    form.addEventListener("change", show);
    show();
  }

  const two = (number) => String(number).padStart(2, "0");
  const clock = (seconds) => {
    const days = Math.floor(seconds / 86400);
    const hours = Math.floor((seconds % 86400) / 3600);
    const rest = `${two(Math.floor((seconds % 3600) / 60))}:${two(seconds % 60)}`;
    return (days ? `${days} d ` : "") + (days || hours ? `${two(hours)}:${rest}` : rest);
  };
  setInterval(() => {
    document.querySelectorAll("[data-left]").forEach((element) => {
      if (!element.dataset.until) element.dataset.until = String(Date.now() + Number(element.dataset.left) * 1000);
      const left = Math.max(0, Math.round((Number(element.dataset.until) - Date.now()) / 1000));
      element.textContent = clock(left);
    });
  }, 500);
})();
