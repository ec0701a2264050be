/* Which of several runs the page shows: in every chart, in the table, and below. */

function chooseRuns(fieldset) {
  fieldset.hidden = false;
  const boxes = [...fieldset.querySelectorAll("input")];
  const apply = () => {
    hiddenRuns.clear();
    boxes.filter((box) => !box.checked).forEach((box) => hiddenRuns.add(Number(box.dataset.shows)));
    document.querySelectorAll("[data-run]").forEach((part) => { part.hidden = hiddenRuns.has(Number(part.dataset.run)); });
    charts.forEach((chart) => chart.draw());
    fieldset.querySelector("[role=status]").textContent = words.runsShown(boxes.length - hiddenRuns.size, boxes.length);
  };
  boxes.forEach((box) => {
    /* New figures do not undo the choice. */
    box.checked = !hiddenRuns.has(Number(box.dataset.shows));
    box.addEventListener("change", apply);
  });
  if (hiddenRuns.size > 0) apply();
}
