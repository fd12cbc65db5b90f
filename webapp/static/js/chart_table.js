// A chart's numbers as a table of at most so many rows, evenly over what is shown.
const MAX_ROWS = 40;

export function fillTable(chart) {
  chart.data();
  const { across, columns } = chart.shown;
  const inside = across.map((_, place) => place).filter((place) => !chart.zoom || (across[place] >= chart.zoom[0] && across[place] <= chart.zoom[1]));
  const step = Math.max(1, Math.ceil(inside.length / MAX_ROWS));
  const table = document.createElement("table");
  const caption = table.createCaption();
  caption.className = "visually-hidden";
  caption.textContent = chart.title;
  const head = table.createTHead().insertRow();
  for (const [place, words] of [chart.across.name, ...chart.series.map((one) => one.label)].entries()) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.className = place ? "num" : "";
    cell.textContent = words;
    head.append(cell);
  }
  const body = table.createTBody();
  for (const place of inside.filter((_, number) => (inside.length - 1 - number) % step === 0).reverse()) {
    const row = body.insertRow();
    const cell = document.createElement("th");
    cell.scope = "row";
    cell.className = "nowrap";
    cell.textContent = chart.across.words(across[place]);
    row.append(cell);
    for (const column of columns) {
      const value = row.insertCell();
      value.className = "num";
      value.textContent = Number.isFinite(column[place]) ? chart.format(column[place]) : "–";
    }
  }
  chart.element.replaceChildren(table);
}
