/* Round values along an axis, as report/chart.rs chooses them. */

/* A distance of 1, 2 or 5 times a power of ten that divides `span` into four to ten parts. */
function stepOf(span, size) {
  const least = Math.max(size, 1e-9);
  const length = span > 1e-9 * least ? span : 0.1 * least;
  const power = 10 ** Math.floor(Math.log10(length / 5));
  return ([1, 2, 5, 10].find((times) => length / (times * power) <= 7) ?? 10) * power;
}

function tickText(value, step) {
  const round = Math.abs(value) < step * 1e-6 ? 0 : value;
  if (step < 1e-4 || step >= 1e7) return round === 0 ? "0" : round.toExponential(0);
  return round.toFixed(Math.max(0, Math.ceil(-Math.log10(step)))).replace("-", "\u2212");
}

/* Round values within [low, high], and that range made round where `widen` says so. */
function ticksOf(low, high, widen, whole = false) {
  const step = Math.max(stepOf(high - low, Math.max(Math.abs(low), Math.abs(high))), whole ? 1 : 0);
  if (widen) {
    low = Math.floor(low / step) * step;
    high = Math.ceil(high / step) * step;
    if (!(high > low)) high = low + step;
  }
  const ticks = [];
  for (let nth = Math.ceil(low / step - 1e-9); nth * step <= high + 1e-9 * step; nth += 1) {
    ticks.push([nth * step, tickText(nth * step, step)]);
  }
  return { low, high, ticks };
}
