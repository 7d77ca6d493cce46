//! Plots as data, and as SVG that takes its colours from the page.

use std::fmt::Write as _;

use super::table::number;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;
/// Colours of the page.
const COLOURS: usize = 6;

/// What the x axis counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum X {
    Number,
    /// Nines of a percentile: 1 is 90 %, 2 is 99 %.
    Nines,
}

/// Lines over an x axis, or bars side by side.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    pub(super) title: String,
    x: X,
    x_label: &'static str,
    y_label: &'static str,
    /// Powers of ten on the y axis.
    log: bool,
    series: Vec<(String, Vec<(f64, f64)>)>,
    bars: Vec<Bar>,
}

/// A bar and the range of what it stands for.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Plot {
    pub(crate) fn lines(
        title: impl Into<String>,
        x_label: &'static str,
        y_label: &'static str,
    ) -> Self {
        let (series, bars) = (Vec::new(), Vec::new());
        Self { title: title.into(), x: X::Number, x_label, y_label, log: false, series, bars }
    }

    /// Distributions: percentiles on the x axis, milliseconds as powers of ten on the other.
    pub(crate) fn percentiles(title: impl Into<String>) -> Self {
        Self { x: X::Nines, log: true, ..Self::lines(title, "percentile", "ms") }
    }

    pub(crate) fn bars(title: impl Into<String>, y_label: &'static str, bars: Vec<Bar>) -> Self {
        Self { bars, ..Self::lines(title, "", y_label) }
    }

    pub(crate) fn with(mut self, name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.series.push((name.into(), points));
        self
    }

    /// The names of the series, in the order of their colours; none is needed for a single one.
    pub(super) fn legend(&self) -> Vec<&str> {
        let names: Vec<&str> = self.series.iter().map(|(name, _)| name.as_str()).collect();
        if names.len() > 1 { names } else { Vec::new() }
    }

    /// The plot as an SVG element.
    pub(super) fn svg(&self) -> String {
        let mut out = format!(
            r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{}">"#,
            escape(&self.title)
        );
        let scale = self.scale();
        self.grid(&mut out, scale);
        for (index, (_, points)) in self.series.iter().enumerate() {
            let places = points.iter().filter_map(|&(x, y)| scale.place(x, y));
            let places: Vec<String> = places.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let colour = index % COLOURS;
            // Writing to a string cannot fail.
            write!(out, r#"<polyline class="l c{colour}" points="{}"/>"#, places.join(" ")).ok();
        }
        self.draw_bars(&mut out, scale);
        out.push_str("</svg>");
        out
    }

    fn scale(&self) -> Scale {
        let points = || self.series.iter().flat_map(|(_, points)| points);
        let bars = self.bars.iter().map(|bar| bar.high.max(bar.value));
        let top = points().map(|p| p.1).chain(bars).fold(0.0, f64::max);
        let x = points().map(|p| p.0).fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(x), b.max(x)));
        // From nothing on, and never without width.
        let x = if x.0 <= x.1 { (x.0.min(0.0), x.1) } else { (0.0, 1.0) };
        let x = if x.0 < x.1 { x } else { (x.0, x.0 + 1.0) };
        let y = if self.log {
            let least = points().map(|p| p.1).filter(|y| *y > 0.0).fold(f64::MAX, f64::min);
            let least = if least < f64::MAX { least } else { 1.0 };
            let floor = 10_f64.powf(least.log10().floor());
            (floor, 10_f64.powf(top.max(least).log10().ceil()).max(floor * 10.0))
        } else {
            (0.0, nice(top))
        };
        Scale { x, y, log: self.log }
    }

    fn grid(&self, out: &mut String, scale: Scale) {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for y in scale.y_ticks() {
            let Some((_, at)) = scale.place(scale.x.0, y) else { continue };
            let (below, text) = (at + 4.0, number(y));
            write!(
                out,
                r#"<line class="g" x1="{LEFT}" x2="{right}" y1="{at:.1}" y2="{at:.1}"/><text x="{}" y="{below:.1}" text-anchor="end">{text}</text>"#,
                LEFT - 6.0
            )
            .ok();
        }
        if self.bars.is_empty() {
            for (x, text) in self.x_ticks(scale) {
                let Some((at, _)) = scale.place(x, scale.y.0) else { continue };
                let below = bottom + 16.0;
                write!(out, r#"<text x="{at:.1}" y="{below}" text-anchor="middle">{text}</text>"#)
                    .ok();
            }
        }
        write!(
            out,
            r#"<text class="a" x="{right}" y="{}" text-anchor="end">{}</text><text class="a" transform="translate(12 {}) rotate(-90)" text-anchor="middle">{}</text>"#,
            HEIGHT - 6.0,
            escape(self.x_label),
            f64::midpoint(TOP, bottom),
            escape(self.y_label)
        )
        .ok();
    }

    fn x_ticks(&self, scale: Scale) -> Vec<(f64, String)> {
        if self.x == X::Nines {
            let names = ["0", "90", "99", "99.9", "99.99", "99.999"];
            let ticks =
                (0_u8..).zip(names).map(|(nines, name)| (f64::from(nines), name.to_owned()));
            return ticks.filter(|(nines, _)| *nines <= scale.x.1).collect();
        }
        let step = nice(scale.x.1 / 8.0);
        let ticks = (0_u8..=8).map(|i| f64::from(i) * step).filter(|x| *x <= scale.x.1);
        ticks.map(|x| (x, number(x))).collect()
    }

    fn draw_bars(&self, out: &mut String, scale: Scale) {
        let bottom = HEIGHT - BOTTOM;
        let room = (WIDTH - LEFT - RIGHT) / f64::from(u16::try_from(self.bars.len()).unwrap_or(1));
        let mut middle = LEFT + room / 2.0;
        for (index, bar) in self.bars.iter().enumerate() {
            let at = |y| scale.place(scale.x.0, y).map_or(bottom, |(_, y)| y);
            let (top, low, high) = (at(bar.value), at(bar.low), at(bar.high));
            let (width, colour) = ((room * 0.5).min(90.0), index % COLOURS);
            write!(
                out,
                r#"<rect class="b c{colour}" x="{:.1}" y="{top:.1}" width="{width:.1}" height="{:.1}" rx="3"/><line class="e" x1="{middle:.1}" x2="{middle:.1}" y1="{low:.1}" y2="{high:.1}"/><text x="{middle:.1}" y="{:.1}" text-anchor="middle">{}</text><text class="v" x="{:.1}" y="{:.1}">{}</text>"#,
                middle - width / 2.0,
                (bottom - top).max(0.0),
                bottom + 16.0,
                escape(&bar.name),
                middle + 5.0,
                top - 4.0,
                number(bar.value)
            )
            .ok();
            middle += room;
        }
    }
}

/// From values to places.
#[derive(Clone, Copy)]
struct Scale {
    x: (f64, f64),
    y: (f64, f64),
    log: bool,
}

impl Scale {
    fn place(self, x: f64, y: f64) -> Option<(f64, f64)> {
        let across = (x - self.x.0) / (self.x.1 - self.x.0);
        let up = if self.log {
            (y.max(self.y.0) / self.y.0).log10() / (self.y.1 / self.y.0).log10()
        } else {
            (y - self.y.0) / (self.y.1 - self.y.0)
        };
        let place = (
            LEFT + across * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM),
        );
        (place.0.is_finite() && place.1.is_finite()).then_some(place)
    }

    fn y_ticks(self) -> Vec<f64> {
        if self.log {
            let decades = std::iter::successors(Some(self.y.0), |y| Some(y * 10.0));
            return decades.take_while(|y| *y <= self.y.1 * 1.01).collect();
        }
        (0_u8..=4).map(|i| self.y.1 * f64::from(i) / 4.0).collect()
    }
}

/// The least of some round numbers that is not less.
fn nice(top: f64) -> f64 {
    if top <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(top.log10().floor());
    let steps = [1.0, 1.2, 1.6, 2.0, 2.4, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|y| *y >= top).unwrap_or(top)
}

/// Text that is safe within HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number() {
        for (top, end) in
            [(0.0, 1.0), (1.0, 1.0), (7.2, 8.0), (31.0, 40.0), (1007.0, 1200.0), (0.021, 0.024)]
        {
            assert!((nice(top) - end).abs() < 1e-9, "{top}");
        }
    }

    #[test]
    fn lines_stay_within_the_picture() {
        let points = vec![(0.0, 0.0), (1.0, 5.0), (2.0, 7.0)];
        let plot = Plot::lines("a < b", "s", "MiB").with("one", points.clone());
        let svg = plot.svg();
        assert!(svg.contains("a &lt; b") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(svg.contains(r#"points="62.0,220.0 "#), "{svg}");
        assert!(plot.legend().is_empty());
        let log = Plot::percentiles("l").with("a", points).with("b", Vec::new());
        assert_eq!(log.legend(), ["a", "b"]);
        assert!(!log.svg().contains("NaN") && log.svg().contains(">90<"), "{}", log.svg());
    }

    #[test]
    fn nothing_to_draw_is_drawn_as_nothing() {
        for plot in [Plot::lines("t", "x", "y"), Plot::percentiles("t").with("a", Vec::new())] {
            assert!(!plot.svg().contains("NaN"), "{}", plot.svg());
        }
        let bar = Bar { name: "a".into(), value: 2.0, low: 1.0, high: 3.0 };
        assert!(Plot::bars("t", "×", vec![bar]).svg().contains("<rect"));
    }
}
