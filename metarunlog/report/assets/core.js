// The pages work without scripts; these add plots, sorting and filtering. Everything hangs on one object, `mrl`.
"use strict";
window.mrl = (() => {
  const FEW = 60; // plots that a page draws also where nobody looks at them
  const REST = 4000; // ms after which it does
  const views = {}; // view name -> function (element, data) that draws into the element, may return a function to redraw
  const loaded = new Map(); // key -> data of a view
  const waiting = new Map(); // key -> elements that wait for it
  const drawn = new Map(); // element -> {redraw, seen, late}

  // Called by the files under data/: { key: data of one view }.
  function data(entries) {
    for (const [key, value] of Object.entries(entries)) loaded.set(key, value);
    for (const [key, value] of Object.entries(entries)) {
      for (const element of waiting.get(key) || []) show(element, value);
      waiting.delete(key);
    }
  }

  function show(element, value) {
    const draw = views[value.view];
    if (!draw) return;
    const redraw = draw(element, value);
    element.classList.add("drawn");
    if (!redraw) return;
    drawn.set(element, { redraw, seen: true, late: false });
    sight.observe(element);
  }

  // What is far out of view is drawn anew when it comes near.
  const sight = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const view = drawn.get(target);
      view.seen = isIntersecting;
      if (view.seen && view.late) again(view);
    }
  }, { rootMargin: "200px 0px" });

  function again(view) {
    view.late = false;
    view.redraw();
  }

  function redraw() {
    for (const view of drawn.values()) {
      if (view.seen) again(view);
      else view.late = true;
    }
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

  const asked = new Set();
  function load(element) {
    if (asked.has(element)) return;
    asked.add(element);
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
    const views = [...document.querySelectorAll(".view[data-key]")];
    views.forEach((element) => observer.observe(element));
    if (views.length <= FEW) setTimeout(() => drawRest(views), REST);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    addEventListener("beforeprint", () => { document.documentElement.classList.add("printing"); drawn.forEach(again); });
    addEventListener("afterprint", () => { document.documentElement.classList.remove("printing"); drawn.forEach(again); });
  }

  // The rest of a page with few plots while the reader looks at the first, so that it can be printed.
  function drawRest(views) {
    const next = views.find((element) => !asked.has(element));
    if (!next) return;
    load(next);
    (window.requestIdleCallback || setTimeout)(() => drawRest(views));
  }

  const known = (key) => loaded.get(key);

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
  function select(label, options, onchange, value = options[0][0]) {
    const box = element("select");
    for (const [option, text] of options) box.append(element("option", { value: option }, text));
    box.value = value;
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
    if (typeof value === "boolean") return cell(value);
    if (typeof value !== "number") return value === null || value === undefined ? "–" : String(value);
    const size = Math.abs(value);
    if (value !== 0 && (size >= 1e6 || size < 1e-3)) return value.toExponential(digits - 1).replace(/\.?0+e/, "e").replace("e+", "e");
    return String(Number(value.toPrecision(digits)));
  }

  // A cell as Python writes it: so many significant digits, whole numbers below a limit whole.
  function cell(value, digits, whole = 1e9) {
    if (value === null || value === undefined) return "–";
    if (typeof value === "boolean") return value ? "True" : "False";
    if (typeof value === "object") return value.n;
    if (typeof value !== "number") return value;
    if (Number.isInteger(value) && Math.abs(value) < whole) return String(value);
    const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
    if (Number(exponent) >= -4 && Number(exponent) < digits) return String(Number(value.toPrecision(digits)));
    return `${mantissa.replace(/\.?0+$/, "")}e${Number(exponent)}`;
  }

  const short = (text, length) => (text.length > length ? `${text.slice(0, Math.max(length - 1, 1))}…` : text);

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  }

  addEventListener("DOMContentLoaded", start);
  return { views, data, known, redraw, script, hover, element, select, checkbox, number, cell, short, colour };
})();
