// Comforts the page can do without: a table of contents that knows where one is, tables that sort, a record that can be saved, other
// limits, answers that can be judged.
"use strict";
const save = (name, text) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
};
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  // For screens that have no room for columns. What is laid out otherwise keeps its meaning only by roles.
  const titles = heads.map((head) => [...head.childNodes].map((node) => node.textContent.trim()).filter(Boolean).join(", "));
  table.classList.add("labelled");
  table.setAttribute("role", "table");
  for (const part of [table.tHead, body]) part.setAttribute("role", "rowgroup");
  for (const row of table.rows) {
    row.setAttribute("role", "row");
    [...row.cells].forEach((cell, at) => {
      cell.setAttribute("role", cell.tagName === "TD" ? "cell" : row.parentNode === body ? "rowheader" : "columnheader");
      if (row.parentNode === body && at > 0) cell.dataset.head = titles[at];
    });
  }
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => row.cells[at].dataset.sort;
      const compare = (a, b) => {
        const [x, y] = [value(a), value(b)];
        // Unknown goes last either way.
        if ((x === undefined) !== (y === undefined)) return x === undefined ? 1 : -1;
        const order = x === undefined
          ? a.cells[at].textContent.localeCompare(b.cells[at].textContent, undefined, { numeric: true })
          : Number(x) - Number(y);
        return down ? -order : order;
      };
      body.append(...[...body.rows].sort(compare));
    });
  });
}
const record = document.getElementById("record");
const download = document.getElementById("download");
if (record && download) {
  download.hidden = false;
  download.addEventListener("click", () => save("run.json", record.textContent));
}
window.addEventListener("beforeprint", () => document.querySelectorAll("main details").forEach((d) => { d.open = true; }));
{
  const contents = document.querySelector(".contents details");
  const wide = window.matchMedia("(min-width: 70rem)");
  const fit = () => { contents.open = wide.matches; };
  fit();
  wide.addEventListener("change", fit);
  contents.addEventListener("click", (event) => {
    if (event.target.closest("a") && !wide.matches) contents.open = false;
  });
  contents.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !wide.matches && contents.open) {
      contents.open = false;
      contents.querySelector("summary").focus();
    }
  });
  const links = [...contents.querySelectorAll("a")];
  const mark = (id) => links.forEach((link) => {
    if (link.hash === `#${id}`) link.setAttribute("aria-current", "location");
    else link.removeAttribute("aria-current");
  });
  // The section whose head went past the upper third last.
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) mark(entry.target.id);
  }, { rootMargin: "-10% 0px -80% 0px" });
  document.querySelectorAll("main > section[id]").forEach((section) => seen.observe(section));
}
