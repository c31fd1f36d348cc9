// Side by side: the pictures and films of one function, of all sub-experiments on the page.
"use strict";
(() => {
  const MEDIA = ".b-image img, .linkplot img, .b-video video";

  addEventListener("DOMContentLoaded", () => {
    const found = new Map(); // function -> [[sub-experiment's section, its pictures]]
    for (const part of document.querySelectorAll(".sub .part[data-function]")) {
      const media = [...part.querySelectorAll(MEDIA)];
      if (!media.length) continue;
      const name = part.dataset.function;
      if (!found.has(name)) found.set(name, []);
      found.get(name).push([part.closest(".sub"), media]);
    }
    const names = [...found.keys()].filter((name) => found.get(name).length > 1);
    if (!names.length) return;
    const box = mrl.element("div", { class: "gallery" });
    let chosen = names.includes(mrl.address.get("side")) ? mrl.address.get("side") : "";

    function draw() {
      const shown = (chosen ? found.get(chosen) : []).filter(([sub]) => mrl.chosen.has(idOf(sub)));
      box.replaceChildren(...shown.map(([sub, media]) => {
        const differs = [...sub.querySelectorAll(".chips .differs")].map((one) => one.textContent.trim().replace(/\s+/g, " "));
        const link = mrl.element("a", { href: `#${sub.id}` }, idOf(sub));
        const caption = mrl.element("figcaption", {}, link, ` ${differs.join(", ")}`);
        return mrl.element("figure", {}, caption, ...media.map((one) => one.cloneNode(true)));
      }));
    }

    const idOf = (sub) => sub.id.replace(/^sub-/, "");
    const select = mrl.select("Side by side", [["", "nothing"], ...names.map((name) => [name, name])], (name) => {
      chosen = name;
      mrl.address.set("side", name);
      draw();
    }, chosen);
    document.querySelector("#sub-experiments > h2").after(mrl.element("div", { class: "tools" }, select), box);
    document.addEventListener("mrl-chosen", draw);
    draw();
  });
})();
