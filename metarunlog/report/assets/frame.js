// Inside a sandboxed frame: ask the page for BokehJS where it is needed, and tell the page how high the content is.
"use strict";
(() => {
  const tell = () => parent.postMessage({ mrlHeight: Math.max(document.body.offsetHeight, document.body.scrollHeight) }, "*");
  new ResizeObserver(tell).observe(document.body);
  addEventListener("load", tell);
  const holder = document.getElementById("mrl-late");
  if (!holder) return;
  const late = JSON.parse(holder.textContent);

  const run = (text) => {
    const script = document.createElement("script");
    script.textContent = text;
    document.body.append(script);
  };

  // HTML set as text runs no scripts; those of a (script, div) pair are run by hand, after BokehJS is there.
  const showPair = (html) => {
    const target = document.getElementById("figure");
    target.innerHTML = html;
    target.querySelectorAll("script").forEach((script) => run(script.textContent));
  };

  let done = false;
  addEventListener("message", (event) => {
    if (event.source !== parent || done || !event.data.mrlSources) return;
    done = true;
    event.data.mrlSources.forEach(run);
    if (late.item === null) showPair(late.html);
    else Bokeh.embed.embed_item(JSON.parse(late.item));
    setTimeout(tell, 300);
  });

  // The page's scripts may start later than the frame: ask until there is an answer.
  const ask = () => {
    if (done) return;
    parent.postMessage({ mrlWants: late.scripts }, "*");
    setTimeout(ask, 500);
  };
  ask();
})();
