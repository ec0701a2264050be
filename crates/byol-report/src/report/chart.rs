//! Line charts as inline SVG that follows the page's colours, with their figures beside them for the page's script
//! (`html/charts.js`), which zooms. A series is told apart by colour, by marker and by whether its line is dashed. Nothing
//! here knows what is drawn.

mod range;

use maud::{Markup, PreEscaped, html};
use serde::Serialize;
use serde_json::{Value, json};

use super::language::charts as said;
use range::Range;

const RIGHT: f64 = 14.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 46.0;
/// A longer series gets a marker at about this many of its points.
const MARKERS: usize = 12;
/// A longer series is thinned to about this many points.
const MOST_POINTS: usize = 2000;

/// A chart: axes and what is drawn between them.
pub(super) struct Chart {
    /// For readers who do not see it: what the chart shows.
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Series>,
    /// A horizontal line, in units of y.
    pub reference: Option<f64>,
    pub size: Size,
    /// How far the series are moved apart sideways, so that error bars at the same x do not cover each other.
    pub dodge: f64,
}

/// How many charts stand side by side on a wide page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    Half,
    Third,
}

impl Size {
    /// Width and height in the page's pixels, so that text has its own size.
    fn pixels(self) -> (f64, f64) {
        match self {
            Size::Half => (520.0, 300.0),
            Size::Third => (350.0, 230.0),
        }
    }
}

/// What an axis measures.
pub(super) struct Axis {
    pub label: String,
    pub scale: Scale,
    /// Marked values with their text; chosen from the data where empty.
    pub ticks: Vec<(f64, String)>,
    /// Values that must lie on the axis.
    pub include: Vec<f64>,
    /// It has values from 0 to 100, and small differences are not drawn as large ones.
    pub percent: bool,
}

/// Percent that an axis of them shows at least.
const LEAST_PERCENT: f64 = 10.0;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    /// Linear, marked at whole numbers only.
    Whole,
    /// Values must be above 0.
    Log,
}

/// A line with markers.
pub(super) struct Series {
    pub label: String,
    /// Which of the six colours and markers, from 0.
    pub style: usize,
    pub line: Line,
    /// Which of several runs on a page this is of; a reader may choose among them.
    pub run: Option<usize>,
    pub points: Vec<Point>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Line {
    Solid,
    Dashed,
    /// Markers alone.
    None,
}

pub(super) struct Point {
    pub x: f64,
    pub y: f64,
    /// Ends of the error bar.
    pub bar: Option<(f64, f64)>,
    /// Shown when pointed at.
    pub text: String,
}

impl Axis {
    pub fn linear(label: &str) -> Axis {
        Axis { label: label.to_owned(), scale: Scale::Linear, ticks: Vec::new(), include: Vec::new(), percent: false }
    }

    pub fn percent(label: &str) -> Axis {
        Axis { percent: true, ..Axis::linear(label) }
    }

    pub fn whole(label: &str) -> Axis {
        Axis { scale: Scale::Whole, ..Axis::linear(label) }
    }

    pub fn including(self, values: &[f64]) -> Axis {
        Axis { include: values.to_vec(), ..self }
    }

    /// What must lie on the axis beside these values.
    fn included(&self, values: impl Iterator<Item = f64>) -> Vec<f64> {
        let all = values.chain(self.include.iter().copied());
        let (low, high) =
            all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if !self.percent || high - low >= LEAST_PERCENT {
            return self.include.clone();
        }
        let low = ((low + high - LEAST_PERCENT) / 2.0).clamp(0.0, 100.0 - LEAST_PERCENT);
        [&self.include[..], &[low, low + LEAST_PERCENT]].concat()
    }
}

impl Chart {
    /// The chart and its legend. Without a finite point there is nothing to draw.
    pub fn render(&self) -> Option<Markup> {
        let points = || self.series.iter().flat_map(|series| &series.points).filter(|point| point.drawable());
        points().next()?;
        let x = Range::new(&self.x, points().map(|point| point.x));
        let bars = points().filter_map(|point| point.bar).flat_map(|(low, high)| [low, high]);
        let heights = points().map(|point| point.y).chain(bars).chain(self.reference);
        let include = self.y.included(heights.clone());
        let y = Range::new(&self.y, heights.chain(include.iter().copied()));
        let (width, height) = self.size.pixels();
        let longest = y.ticks.iter().map(|(_, text)| text.chars().count()).max().unwrap_or(0);
        // The label's height, the ticks' digits, and air between them.
        let left = 30.0 + 7.0 * longest as f64;
        let across = |value: f64| left + x.share(value) * (width - left - RIGHT);
        let down = |value: f64| height - BOTTOM - y.share(value) * (height - TOP - BOTTOM);
        Some(html! {
            div.chart {
            svg viewBox={ "0 0 " (width) " " (height) } role="img" {
                title { (self.title) }
                desc { (self.description()) }
                @for (value, text) in &y.ticks {
                    line.grid x1=(left) x2=(width - RIGHT) y1=(n(down(*value))) y2=(n(down(*value))) {}
                    text.tick x=(left - 7.0) y=(n(down(*value) + 4.0)) text-anchor="end" { (text) }
                }
                @for (value, text) in &x.ticks {
                    line.axis x1=(n(across(*value))) x2=(n(across(*value))) y1=(height - BOTTOM) y2=(height - BOTTOM + 4.0) {}
                    text.tick x=(n(across(*value))) y=(height - BOTTOM + 18.0) text-anchor="middle" { (text) }
                }
                line.axis x1=(left) x2=(width - RIGHT) y1=(height - BOTTOM) y2=(height - BOTTOM) {}
                text.label x=(n((left + width - RIGHT) / 2.0)) y=(height - 6.0) text-anchor="middle" { (self.x.label) }
                text.label transform={ "translate(13 " (n((TOP + height - BOTTOM) / 2.0)) ") rotate(-90)" }
                    text-anchor="middle" { (self.y.label) }
                @if let Some(value) = self.reference {
                    line.reference x1=(left) x2=(width - RIGHT) y1=(n(down(value))) y2=(n(down(value))) {}
                }
                @for (place, series) in self.series.iter().enumerate() {
                    (self.draw(series, place, &across, &down))
                }
            }
            @if self.series.len() > 1 { (legend(&self.series)) }
            (data(&self.figures(&x, &include)))
            }
        })
    }

    /// What the page's script draws the chart from; `include` must lie on the y axis.
    fn figures(&self, x: &Range, include: &[f64]) -> Value {
        let (width, height) = self.size.pixels();
        let series = self.series.iter().map(|series| {
            let points: Vec<&Point> = series.points.iter().filter(|point| point.drawable()).collect();
            let mut figures = json!({
                "label": series.label,
                "style": series.style % 6,
                "line": series.line,
                "x": points.iter().map(|point| short(point.x)).collect::<Vec<_>>(),
                "y": points.iter().map(|point| short(point.y)).collect::<Vec<_>>(),
            });
            if let Some(run) = series.run {
                figures["run"] = run.into();
            }
            if points.iter().any(|point| point.bar.is_some()) {
                let bars = points.iter().map(|point| point.bar.map(|(low, high)| [short(low), short(high)]));
                figures["bars"] = bars.collect::<Vec<_>>().into();
                figures["texts"] = points.iter().map(|point| point.text.as_str()).collect::<Vec<_>>().into();
            }
            figures
        });
        json!({
            "title": self.title,
            "width": width,
            "height": height,
            "x": { "label": self.x.label, "log": self.x.scale == Scale::Log, "whole": self.x.scale == Scale::Whole,
                   "ticks": self.x.ticks, "include": self.x.include, "range": [short(x.low), short(x.high)] },
            "y": { "label": self.y.label, "include": include },
            "reference": self.reference,
            "dodge": self.dodge,
            "series": series.collect::<Vec<_>>(),
        })
    }

    fn draw(&self, series: &Series, place: usize, across: &dyn Fn(f64) -> f64, down: &dyn Fn(f64) -> f64) -> Markup {
        let aside = (place as f64 - (self.series.len() - 1) as f64 / 2.0) * self.dodge;
        let points: Vec<&Point> = series.points.iter().filter(|point| point.drawable()).collect();
        let at = |point: &Point| (across(point.x) + aside, down(point.y));
        let path = points.iter().map(|point| at(point)).map(|(x, y)| format!("{},{}", n(x), n(y)));
        let every = points.len().div_ceil(MARKERS).max(1);
        let last = points.len().saturating_sub(1);
        html! {
            g class={ "s" (series.style % 6) } {
                @if series.line != Line::None {
                    polyline.line.dashed[series.line == Line::Dashed] points=(path.collect::<Vec<_>>().join(" ")) {}
                }
                @for (nth, point) in points.iter().enumerate() {
                    @let (x, y) = at(point);
                    @if let Some((low, high)) = point.bar {
                        path.bar d=(bar(x, down(low), down(high))) {}
                    }
                    @if nth % every == 0 || nth == last {
                        path.mark.hollow[series.line == Line::Dashed] d=(marker(series.style, x, y)) {
                            title { (series.label) ": " (point.text) }
                        }
                    }
                }
            }
        }
    }

    fn description(&self) -> String {
        let one = |series: &Series| {
            let points: Vec<&Point> = series.points.iter().filter(|point| point.drawable()).collect();
            match points.as_slice() {
                [] => None,
                [only] => Some(said::series(&series.label, &only.text, None)),
                [first, .., last] => Some(said::series(&series.label, &first.text, Some(&last.text))),
            }
        };
        let series: Vec<String> = self.series.iter().filter_map(one).collect();
        said::description(&self.y.label, &self.x.label, &series)
    }
}

impl Point {
    fn drawable(&self) -> bool {
        let bar = self.bar.is_none_or(|(low, high)| low.is_finite() && high.is_finite());
        self.x.is_finite() && self.y.is_finite() && bar
    }
}

/// Values for the page's script. In a script element, nothing but its end is markup.
pub(super) fn data(value: &Value) -> Markup {
    html! { script type="application/json" { (PreEscaped(value.to_string().replace('<', "\\u003c"))) } }
}

/// Six significant digits: more than a screen shows.
pub(super) fn short(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// At most about [`MOST_POINTS`] of the points: of each stretch the lowest and the highest stay.
pub(super) fn thinned(points: Vec<Point>) -> Vec<Point> {
    if points.len() <= MOST_POINTS {
        return points;
    }
    let stretch = points.len().div_ceil(MOST_POINTS / 2);
    let keep: Vec<bool> = points
        .chunks(stretch)
        .flat_map(|points| {
            let by_height = |a: &(usize, &Point), b: &(usize, &Point)| a.1.y.total_cmp(&b.1.y);
            let lowest = points.iter().enumerate().min_by(by_height).map(|(place, _)| place);
            let highest = points.iter().enumerate().max_by(by_height).map(|(place, _)| place);
            (0..points.len()).map(move |place| Some(place) == lowest || Some(place) == highest)
        })
        .collect();
    let last = points.len() - 1;
    let kept = points.into_iter().zip(keep).enumerate();
    kept.filter(|(place, (_, keep))| *keep || *place == 0 || *place == last).map(|(_, (point, _))| point).collect()
}

fn legend(series: &[Series]) -> Markup {
    html! {
        ul.legend {
            @for series in series {
                li {
                    svg viewBox="0 0 30 12" aria-hidden="true" {
                        g class={ "s" (series.style % 6) } {
                            @if series.line != Line::None {
                                polyline.line.dashed[series.line == Line::Dashed] points="1,6 29,6" {}
                            }
                            path.mark.hollow[series.line == Line::Dashed] d=(marker(series.style, 15.0, 6.0)) {}
                        }
                    }
                    (series.label)
                }
            }
        }
    }
}

/// A vertical bar with caps.
fn bar(x: f64, low: f64, high: f64) -> String {
    let (left, right, x, low, high) = (n(x - 3.0), n(x + 3.0), n(x), n(low), n(high));
    format!("M{x},{low}V{high}M{left},{low}H{right}M{left},{high}H{right}")
}

/// The outline of a marker: circle, square, triangle, diamond, triangle on its tip, cross.
fn marker(style: usize, x: f64, y: f64) -> String {
    let polygon = |corners: &[(f64, f64)]| {
        let at: Vec<String> = corners.iter().map(|(dx, dy)| format!("{},{}", n(x + dx), n(y + dy))).collect();
        format!("M{}Z", at.join("L"))
    };
    match style % 6 {
        0 => format!("M{},{}a4,4 0 1,0 8,0a4,4 0 1,0 -8,0Z", n(x - 4.0), n(y)),
        1 => polygon(&[(-3.7, -3.7), (3.7, -3.7), (3.7, 3.7), (-3.7, 3.7)]),
        2 => polygon(&[(0.0, -4.8), (4.5, 3.4), (-4.5, 3.4)]),
        3 => polygon(&[(0.0, -5.0), (5.0, 0.0), (0.0, 5.0), (-5.0, 0.0)]),
        4 => polygon(&[(0.0, 4.8), (4.5, -3.4), (-4.5, -3.4)]),
        _ => polygon(&[
            (-1.4, -4.6),
            (1.4, -4.6),
            (1.4, -1.4),
            (4.6, -1.4),
            (4.6, 1.4),
            (1.4, 1.4),
            (1.4, 4.6),
            (-1.4, 4.6),
            (-1.4, 1.4),
            (-4.6, 1.4),
            (-4.6, -1.4),
            (-1.4, -1.4),
        ]),
    }
}

/// A coordinate with a tenth of a unit.
fn n(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: &[(f64, f64)]) -> Chart {
        let points = points.iter().map(|&(x, y)| Point { x, y, bar: None, text: format!("{y}") }).collect();
        Chart {
            title: "loss".to_owned(),
            x: Axis::linear("epoch"),
            y: Axis::linear("loss"),
            series: vec![Series { label: "a < b".to_owned(), style: 0, line: Line::Solid, run: None, points }],
            reference: None,
            size: Size::Half,
            dodge: 0.0,
        }
    }

    #[test]
    fn points_land_where_they_belong() {
        let text = chart(&[(0.0, 0.0), (10.0, 1.0)]).render().expect("two points").into_string();
        assert!(text.contains(r#"points="51.0,254.0 506.0,14.0""#), "{text}");
        assert!(text.contains("a &lt; b: 1"), "{text}");
    }

    #[test]
    fn what_is_not_finite_is_not_drawn() {
        assert!(chart(&[]).render().is_none());
        assert!(chart(&[(0.0, f64::NAN)]).render().is_none());
        let text = chart(&[(0.0, 1.0), (1.0, f64::INFINITY), (2.0, 1.0)]).render().expect("two are left").into_string();
        assert!(!text.contains("inf") && !text.contains("NaN"), "{text}");
    }

    #[test]
    fn the_figures_for_the_script_are_those_drawn_and_close_no_element() {
        let mut chart = chart(&[(0.0, 0.123_456_789), (10.0, 1.0)]);
        chart.series[0].label = "</script><b>".to_owned();
        let text = chart.render().expect("two points").into_string();
        assert_eq!(text.matches("</script>").count(), 1, "{text}");
        let (_, json) = text.split_once("json\">").expect("there are figures");
        let figures: Value = serde_json::from_str(&json[..json.find("</script>").expect("it ends")]).expect("JSON");
        assert_eq!(figures["series"][0]["label"], "</script><b>");
        assert_eq!(figures["series"][0]["y"], json!([0.123457, 1.0]));
    }

    #[test]
    fn a_long_series_keeps_its_extremes_and_its_ends() {
        let point = |place: usize| Point { x: place as f64, y: (place % 977) as f64, bar: None, text: String::new() };
        let points = thinned((0..50_001).map(point).collect());
        assert!((1000..=2002).contains(&points.len()), "{}", points.len());
        assert_eq!((points[0].x, points[points.len() - 1].x), (0.0, 50_000.0));
        assert!(points.windows(2).all(|pair| pair[0].x < pair[1].x));
        let highest = points.iter().map(|point| point.y).fold(0.0, f64::max);
        assert_eq!(highest, 976.0);
    }

    #[test]
    fn percentages_stay_between_0_and_100_and_are_no_cliff() {
        for (values, expected) in [
            (&[100.0][..], [90.0, 100.0]),
            (&[32.2], [26.0, 38.0]),
            (&[1.0, 2.0], [0.0, 10.0]),
            (&[95.0, 99.9], [90.0, 100.0]),
            (&[20.0, 60.0], [20.0, 60.0]),
        ] {
            let axis = Axis::percent("accuracy, %");
            let include = axis.included(values.iter().copied());
            let range = Range::new(&axis, values.iter().chain(&include).copied());
            assert_eq!([range.low, range.high], expected, "{values:?}");
        }
        assert!(Axis::linear("loss").included([1.0].into_iter()).is_empty());
        let mut chart = chart(&[(0.0, 100.0)]);
        chart.y = Axis::percent("accuracy, %");
        let text = chart.render().expect("a point").into_string();
        assert!(text.contains(r#""include":[90.0,100.0]"#) && !text.contains(">102<"), "{text}");
    }
}
