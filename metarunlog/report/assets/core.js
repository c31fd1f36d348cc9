// The pages work without scripts; these add plots, sorting and filtering. Everything hangs on one object, `mrl`.
"use strict";
window.mrl = (() => {
  const views = {}; // view name -> function (element, data) that draws into the element, may return a function to redraw
  const loaded = new Map(); // key -> data of a plot
  const waiting = new Map(); // key -> elements that wait for it
  const redraws = new Set();

  // Called by the files under data/: { key: data of one plot }.
  function data(entries) {
    for (const [key, value] of Object.entries(entries)) {
      loaded.set(key, value);
      for (const element of waiting.get(key) || []) show(element, value);
      waiting.delete(key);
    }
  }

  function show(element, value) {
    const draw = views[value.view];
    if (!draw || !value.metrics.length) return;
    element.replaceChildren();
    const redraw = draw(element, value);
    if (redraw) redraws.add(redraw);
    element.classList.add("drawn");
  }

  const scripts = new Map();
  // A script file once; resolves when it has run. (fetch does not work from file://.)
  function script(src) {
    if (!scripts.has(src)) {
      scripts.set(src, new Promise((resolve, reject) => {
        const tag = document.createElement("script");
        tag.src = src;
        tag.onload = resolve;
        tag.onerror = () => reject(new Error(`${src} is missing`));
        document.head.append(tag);
      }));
    }
    return scripts.get(src);
  }

  function load(element) {
    const { key, src } = element.dataset;
    if (loaded.has(key)) return show(element, loaded.get(key));
    if (!waiting.has(key)) waiting.set(key, []);
    waiting.get(key).push(element);
    script(src).catch((error) => { element.textContent = `Not shown: ${error.message}.`; });
  }

  // Data is loaded when a plot is about to come into view.
  function start() {
    const observer = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        observer.unobserve(entry.target);
        load(entry.target);
      }
    }, { rootMargin: "600px 0px" });
    document.querySelectorAll(".view[data-key]").forEach((element) => {
      if (element.querySelector(".hint noscript")) observer.observe(element);
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
    addEventListener("beforeprint", () => { document.documentElement.classList.add("printing"); redrawAll(); });
    addEventListener("afterprint", () => { document.documentElement.classList.remove("printing"); redrawAll(); });
  }

  function redrawAll() { redraws.forEach((redraw) => redraw()); }

  // One sub-experiment under the pointer anywhere is marked everywhere.
  let hovered = null;
  function hover(id) {
    if (id === hovered) return;
    hovered = id;
    document.dispatchEvent(new CustomEvent("mrl-hover", { detail: id }));
  }

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  // A labelled select; options are [value, text].
  function select(label, options, onchange) {
    const box = element("select");
    for (const [value, text] of options) box.append(element("option", { value }, text));
    box.addEventListener("change", () => onchange(box.value));
    return element("label", {}, label + " ", box);
  }

  function checkbox(label, checked, onchange) {
    const box = element("input", { type: "checkbox" });
    box.checked = checked;
    box.addEventListener("change", () => onchange(box.checked));
    return element("label", {}, box, " " + label);
  }

  // A number for people, up to `digits` significant digits.
  function number(value, digits = 5) {
    if (typeof value !== "number") return value === null || value === undefined ? "–" : String(value);
    const size = Math.abs(value);
    if (value !== 0 && (size >= 1e6 || size < 1e-3)) return value.toExponential(digits - 1).replace(/\.?0+e/, "e").replace("e+", "e");
    return String(Number(value.toPrecision(digits)));
  }

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  }

  addEventListener("DOMContentLoaded", start);
  return { views, data, script, hover, element, select, checkbox, number, colour };
})();
