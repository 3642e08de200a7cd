// Comforts the page can do without: tables sort by a click on a head, the record can be saved, answers can be judged.
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
window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
