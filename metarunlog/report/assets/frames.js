// Users' HTML and Bokeh stand in sandboxed frames. Such a frame can neither read a file nor know its height on the page,
// so it asks: for the parts of BokehJS that it needs, and to be made as high as its content.
"use strict";
(() => {
  const PART = /^bokeh(-[a-z]+)?\.min\.js$/;
  const [LOWEST, HIGHEST] = [40, 6000];
  const sources = new Map();

  // Called by the files under assets/bokeh/: the text of one part of BokehJS.
  mrl.source = (name, text) => { sources.set(name, text); };

  addEventListener("message", async (event) => {
    const frame = [...document.querySelectorAll("iframe.frame")].find((one) => one.contentWindow === event.source);
    const asked = event.data;
    if (!frame || !asked || typeof asked !== "object") return;
    if (typeof asked.mrlHeight === "number" && asked.mrlHeight > 0) {
      const border = frame.offsetHeight - frame.clientHeight;
      frame.style.height = `${Math.min(Math.max(Math.ceil(asked.mrlHeight), LOWEST), HIGHEST) + border}px`;
    }
    if (Array.isArray(asked.mrlWants) && asked.mrlWants.every((name) => PART.test(name))) {
      for (const name of asked.mrlWants) await mrl.script(`assets/bokeh/${name}`);
      event.source.postMessage({ mrlSources: asked.mrlWants.map((name) => sources.get(name)) }, "*");
    }
  });
})();
