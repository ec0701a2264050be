/* Elements that the scripts make. */

/* An element with attributes and children; those of charts are in the namespace of SVG, which any chart on the page knows. */
function make(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function draw(like, name, attributes = {}, ...children) {
  return filled(document.createElementNS(like.namespaceURI, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}
