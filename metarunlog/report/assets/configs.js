// The config of a sub-experiment against that of another one on the page.
"use strict";
(() => {
  const LIBRARY = "assets/vendor/jsdiff/diff.min.js"; // loaded when it is first asked for

  function compare(details) {
    const { name } = details.dataset;
    const same = [...document.querySelectorAll("details.config")].filter((one) => one !== details && one.dataset.name === name);
    if (!same.length || details.querySelector(".tools")) return;
    const whole = details.querySelector("pre");
    const shown = mrl.element("pre", { class: "diff", hidden: "" });
    const idOf = (one) => one.closest(".sub").id.replace(/^sub-/, "");
    const others = same.map((one) => [idOf(one), idOf(one)]);
    const choice = mrl.select("Compare with", [["", "none"], ...others], async (id) => {
      const other = same.find((one) => idOf(one) === id);
      whole.hidden = Boolean(other);
      shown.hidden = !other;
      if (!other) return;
      try {
        await mrl.script(LIBRARY);
        const parts = Diff.diffLines(other.querySelector("pre").textContent, whole.textContent);
        shown.replaceChildren(...parts.flatMap((part) => lines(part, id)));
        if (parts.every((part) => !part.added && !part.removed)) shown.replaceChildren(`The same as in ${id}.`);
      } catch (error) {
        shown.textContent = `Not shown: ${error.message}.`;
      }
    });
    whole.before(mrl.element("div", { class: "tools" }, choice));
    whole.after(shown);
  }

  // Unchanged lines far from a change are left out.
  function lines(part, id) {
    const all = part.value.replace(/\n$/, "").split("\n");
    if (part.removed) return [mrl.element("del", { title: id }, ...all.map((line) => `- ${line}\n`))];
    if (part.added) return [mrl.element("ins", {}, ...all.map((line) => `+ ${line}\n`))];
    const cut = all.length > 8 ? [...all.slice(0, 3), "…", ...all.slice(-3)] : all;
    return [cut.map((line) => `  ${line}\n`).join("")];
  }

  document.addEventListener("toggle", (event) => {
    if (event.target.open && event.target.matches("details.config")) compare(event.target);
  }, true);
})();
