// The address tells the settings of the views, so that a link shows what its sender saw.
"use strict";
(() => {
  const settings = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");

  // Settings are text; what is empty stands for the usual, and is left out.
  mrl.address = {
    get: (key) => settings.get(key) ?? "",
    set(key, value) {
      if (value) settings.set(key, value);
      else settings.delete(key);
      const text = settings.toString();
      try {
        history.replaceState(null, "", text ? `#${text}` : location.href.split("#")[0]);
      } catch { // a browser that lets pages from files do nothing to their history
        location.hash = text;
      }
    },
  };

  // With settings in the address, a link to a place on the page keeps them; a section that is on another page is found there.
  addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !settings.toString()) return;
    const place = document.getElementById(link.getAttribute("href").slice(1));
    if (!place) return;
    event.preventDefault();
    mrl.address.set("at", place.id);
    place.scrollIntoView();
    if (!place.hasAttribute("tabindex")) place.setAttribute("tabindex", "-1");
    place.focus({ preventScroll: true }); // as the browser does it for an anchor
  });
  addEventListener("DOMContentLoaded", () => {
    const at = mrl.address.get("at");
    const wanted = at || (location.hash.includes("=") ? "" : location.hash.slice(1));
    const place = wanted && document.getElementById(wanted);
    if (place && at) requestAnimationFrame(() => place.scrollIntoView());
    const elsewhere = !place && wanted.startsWith("sub-") ? mrl.runs().href(wanted.slice(4)) : "";
    if (elsewhere && !elsewhere.startsWith("#")) location.replace(elsewhere);
  });

  // Another address with settings: typed, a bookmark, or one step back. An anchor keeps them.
  addEventListener("hashchange", () => {
    if (location.hash.includes("=") && location.hash.slice(1) !== settings.toString()) location.reload();
  });
})();
