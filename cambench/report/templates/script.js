"use strict";
document.documentElement.classList.add("scripted"); // what only a script can do is shown only with one
// Sorting: ascending, descending, original order. Unmeasured cells stay last. Labels that repeat the row above are hidden.
for (const table of document.querySelectorAll("table.data")) {
  const body = table.tBodies[0], original = [...body.rows], heads = [...table.querySelectorAll("tr.leaf th")];
  const starts = original.map(row => row.classList.contains("start"));

  function hideRepeats() {
    [...body.rows].forEach((row, r, rows) => {
      let same = r > 0;
      const labels = [...row.querySelectorAll("th.label")];
      labels.forEach((label, i) => {
        same = same && i < labels.length - 1 && rows[r - 1].cells[i].dataset.value === label.dataset.value;
        label.classList.toggle("same", same);
      });
    });
  }

  function compare(a, b, column, sign) {
    const x = a.cells[column].dataset.value, y = b.cells[column].dataset.value;
    if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
    const numeric = x !== "" && y !== "" && !isNaN(x) && !isNaN(y);
    return sign * (numeric ? x - y : x.localeCompare(y));
  }

  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
    const next = { none: "ascending", ascending: "descending", descending: "none" }[head.getAttribute("aria-sort")];
    heads.forEach(other => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", next);
    const sign = next === "descending" ? -1 : 1;
    const rows = next === "none" ? original : [...original].sort((a, b) => compare(a, b, column, sign));
    original.forEach((row, r) => row.classList.toggle("start", next === "none" && starts[r]));
    body.append(...rows);
    hideRepeats();
  }));
  hideRepeats();
}
