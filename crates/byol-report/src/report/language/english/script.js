/* What the page's scripts say, in English: an entry for each whole sentence or name. Numbers and plurals are formed here. */

const counted = (number, one) => `${number} ${one}${number === 1 ? "" : "s"}`;
/* Each series of a point with its value, or each run with its state. */
const listed = (parts) => parts.join("; ");

const words = {
  /* Three significant figures, without an exponent where it can be avoided, as `figure` in numbers.rs has them. */
  figure(value) {
    const size = Math.abs(value);
    if (value === 0) return "0";
    if (size < 1e-4 || size >= 1e6) return value.toExponential(2).replace("e+", "e").replace("-", "\u2212");
    return value.toFixed(Math.max(0, 2 - Math.floor(Math.log10(size)))).replace("-", "\u2212");
  },
  listed,

  /* Charts. */
  chart: "chart",
  chartKeys: "Left and right arrows read the points, plus and minus zoom, shift with an arrow moves, 0 shows everything.",
  described: (title, description) => `${title}. ${description}`,
  chartTools: (title) => `Tools of the chart ${title}`,
  zoomIn: "Zoom in",
  zoomOut: "Zoom out",
  reset: "Reset",
  wholeChart: "Show the whole chart",
  table: "Table",
  asTable: "Show the figures as a table",
  hideOrShow: (name) => `Hide or show ${name}`,
  at: (axis, value) => `${axis} ${value}`,
  point: (series, value, elsewhere) => `${series}: ${value}${elsewhere ? ` (${elsewhere})` : ""}`,
  shownPart: (axis, low, high) => `${axis} from ${low} to ${high}`,
  shownWhole: "The whole chart",
  tableCaption: (title, axis, every, points) => `${title}: ${axis}${every > 1 ? `, every ${every}th of ${points} points` : ""}`,

  /* Confusion matrices. */
  cell: (truth, taken, answers, share) => `${truth} taken for ${taken}: ${counted(answers, "answer")}, ${share} percent`,
  cellTitle: (truth, taken, answers) => `${truth} taken for ${taken}: ${answers}`,
  imageOfCell: (image, truth, taken) => `test image ${image}, of class ${truth}, taken for ${taken}`,
  cellHeading: (truth, taken) => truth === taken ? `${truth}, recognised` : `${truth}, taken for ${taken}`,
  cellText: (truth, taken, matrix, answers, images) => `True class: ${truth}. Predicted: ${taken}. ${matrix.classifier}, ${matrix.budget}: `
    + `${counted(answers, "answer")}${matrix.draws > 1 ? ` over ${matrix.draws} label draws` : ""}; `
    + (images > 0 ? `${counted(images, "image")} shown.` : "no thumbnail of these images is kept."),
  close: "Close",

  /* Files and commands. */
  copy: "copy",
  copied: "copied",
  copyPath: "copy path",
  copyThePath: (name) => `Copy the path of ${name}`,
  copyTheCommand: (command) => `Copy the command ${command}`,
  testImage: (number) => `test image ${number}`,

  /* The map of test images. */
  map: "map",
  mapOf: (images) => `Map of ${counted(images, "test image")}. Arrow keys go to the next image in their direction, plus and minus zoom, `
    + "shift with an arrow moves, 0 shows everything.",
  mapTools: "Tools of the map",
  thumbnails: "thumbnails",
  wholeMap: "Show the whole map",
  noName: (label) => `class ${label}`,
  imageOfClass: (image, name) => `test image ${image}, of class ${name}`,
  trueClass: "True class",
  file: "File",
  predictedBy: (classifier) => `Predicted by ${classifier}`,
  chosenImage: (number) => `Test image ${number}`,
  nearest: "Nearest test images",
  chooseImage: (image, name, same, similarity) => `test image ${image}, ${name}, ${same ? "same" : "other"} class, similarity ${similarity}: `
    + "choose it",

  /* Several runs, and the live page. */
  runsShown: (shown, all) => `${shown} of ${all} runs shown`,
  state: { waiting: "waiting", running: "running", quiet: "quiet", finished: "finished", stopped: "stopped", damaged: "cannot be read" },
  runIs: (name, state) => `${name}: ${state}`,
  noAnswer: "byol watch does not answer; this is its last answer",
};
