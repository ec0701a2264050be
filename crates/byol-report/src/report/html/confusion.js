/* Cells of a confusion matrix that open the images behind them. */

function openable(wrapper) {
  const sheets = Sheets.named(wrapper.dataset.matrix), figures = wrapper.querySelector(":scope > script");
  if (!sheets || !figures) return;
  const matrix = JSON.parse(figures.textContent);
  wrapper.closest("section").querySelectorAll("[data-hint]").forEach((hint) => { hint.hidden = false; });
  const cells = new Map(matrix.cells.map((cell) => [`${cell.row},${cell.column}`, cell]));
  const buttons = new Map();
  wrapper.querySelectorAll("[data-cell]").forEach((td) => {
    const cell = cells.get(td.dataset.cell);
    if (!cell) return;
    const [truth, taken] = [sheets.classes[cell.row], sheets.classes[cell.column]];
    const button = make("button", { type: "button", tabindex: buttons.size === 0 ? "0" : "-1", "aria-haspopup": "dialog",
      "aria-label": words.cell(truth, taken, cell.answers, td.textContent || 0),
      click: () => show(matrix, cell, sheets), keydown: (event) => walk(event, cell) });
    button.append(...td.childNodes);
    td.append(button);
    td.removeAttribute("title");
    button.title = words.cellTitle(truth, taken, cell.answers);
    buttons.set(td.dataset.cell, button);
  });

  /* Arrow keys go to the next cell in their direction that holds anything; one cell is reached by the tabulator. */
  function walk(event, from) {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    if (dx === 0 && dy === 0) return;
    event.preventDefault();
    const most = sheets.classes.length;
    for (let x = from.column + dx, y = from.row + dy; x >= 0 && y >= 0 && x < most && y < most; x += dx, y += dy) {
      const next = buttons.get(`${y},${x}`);
      if (!next) continue;
      buttons.forEach((button) => button.setAttribute("tabindex", button === next ? "0" : "-1"));
      next.focus();
      return;
    }
  }
}

function show(matrix, cell, sheets) {
  const [truth, taken] = [sheets.classes[cell.row], sheets.classes[cell.column]];
  const thumbnails = cell.thumbnails.map((number) => {
    const image = sheets.images[number];
    const text = words.imageOfCell(image, truth, taken);
    return make("figure", {}, sheets.thumbnail(number, text), make("figcaption", {}, sheets.file(number)));
  });
  const dialog = make("dialog", { class: "thumbnails", "aria-labelledby": "thumbnails-head", close: () => dialog.remove() },
    make("h2", { id: "thumbnails-head" }, words.cellHeading(truth, taken)),
    make("p", {}, words.cellText(truth, taken, matrix, cell.answers, thumbnails.length)),
    make("div", { class: "strip" }, ...thumbnails),
    make("form", { method: "dialog" }, make("button", { class: "close" }, words.close)));
  /* A click beside the dialog closes it too. */
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  dialog.showModal();
}
