// A page that is open while its report is made anew says so. (fetch does not work from file://, a script does.)
"use strict";
(() => {
  const PERIOD = 15_000;
  const here = decodeURIComponent(location.pathname.split("/").pop()) || "index.html";
  let mine = null;
  let told = false;

  // Called by data/version.js: { page: what it was made from, as a digest }.
  mrl.version = (pages) => {
    if (mine === null) mine = pages[here];
    else if (pages[here] !== mine && !told) tell();
  };

  function tell() {
    told = true;
    const button = mrl.element("button", { type: "button", class: "press" }, "Show it");
    button.addEventListener("click", () => location.reload());
    document.body.append(mrl.element("p", { class: "newer", role: "status" }, "This report has been made anew. ", button));
  }

  mrl.lookForNewer = () => {
    if (document.hidden || told) return;
    const tag = mrl.element("script", { src: `data/version.js?${Date.now()}` });
    tag.addEventListener("load", () => tag.remove());
    tag.addEventListener("error", () => clearInterval(timer)); // the report was moved or deleted
    document.head.append(tag);
  };
  const timer = setInterval(mrl.lookForNewer, PERIOD);
  document.addEventListener("visibilitychange", mrl.lookForNewer);
})();
