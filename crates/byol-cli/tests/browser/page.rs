//! A page in Chromium, and a program beside it.

use std::ffi::OsStr;
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use headless_chrome::protocol::cdp::Emulation::{MediaFeature, SetDeviceMetricsOverride, SetEmulatedMedia};
use headless_chrome::protocol::cdp::Input::{DispatchMouseEvent, DispatchMouseEventTypeOption as Mouse, MouseButton};
use headless_chrome::protocol::cdp::types::Event;
use headless_chrome::protocol::cdp::{Log, Network, Runtime};
use headless_chrome::{Browser, LaunchOptions, Tab};
use serde::de::DeserializeOwned;

const PATIENCE: Duration = Duration::from_secs(30);

/// A page that somebody reads.
pub struct Page {
    pub tab: Arc<Tab>,
    /// Errors of its script, and what it asked the network for.
    problems: Arc<Mutex<Vec<String>>>,
    /// The browser ends with it.
    _browser: Browser,
    _profile: tempfile::TempDir,
}

impl Page {
    pub fn open(address: &str) -> Page {
        let profile = tempfile::tempdir().unwrap();
        let path = headless_chrome::browser::default_executable().unwrap_or_else(|_| {
            panic!(
                "these tests need Chromium or Chrome: install it (on Debian and Ubuntu `apt-get install chromium`), or name \
                 its program in the environment variable CHROME"
            )
        });
        let options = LaunchOptions {
            path: Some(path),
            // As root, and in containers, Chromium's own sandbox does not start. Only pages of this program are opened.
            sandbox: false,
            window_size: Some((1200, 900)),
            user_data_dir: Some(profile.path().to_owned()),
            idle_browser_timeout: Duration::from_secs(300),
            args: vec![OsStr::new("--hide-scrollbars")],
            ..LaunchOptions::default()
        };
        let browser = Browser::new(options).expect("Chromium starts");
        let tab = browser.new_tab().expect("a tab");
        tab.set_default_timeout(PATIENCE);
        let problems = Arc::new(Mutex::new(Vec::new()));
        let (found, own) = (problems.clone(), address.to_owned());
        tab.add_event_listener(Arc::new(move |event: &Event| {
            let problem = match event {
                Event::LogEntryAdded(entry) if entry.params.entry.level == Log::LogEntryLevel::Error => {
                    Some(format!("{} {:?}", entry.params.entry.text, entry.params.entry.url))
                }
                Event::RuntimeExceptionThrown(thrown) => Some(format!("{:?}", thrown.params.exception_details)),
                Event::RuntimeConsoleAPICalled(called)
                    if called.params.Type == Runtime::ConsoleAPICalledEventTypeOption::Error =>
                {
                    Some(format!("{:?}", called.params.args))
                }
                Event::NetworkRequestWillBeSent(sent) => {
                    let url = &sent.params.request.url;
                    (!url.starts_with("data:") && !url.starts_with(&own)).then(|| format!("asks for {url}"))
                }
                _ => None,
            };
            found.lock().unwrap_or_else(PoisonError::into_inner).extend(problem);
        }))
        .unwrap();
        tab.enable_log().unwrap();
        tab.enable_runtime().unwrap();
        tab.call_method(Network::Enable {
            max_total_buffer_size: None,
            max_resource_buffer_size: None,
            max_post_data_size: None,
            report_direct_socket_traffic: None,
            enable_durable_messages: None,
        })
        .unwrap();
        tab.navigate_to(address).unwrap().wait_until_navigated().unwrap();
        Page { tab, problems, _browser: browser, _profile: profile }
    }

    /// Looks at it with the system's colours `light` or `dark`.
    pub fn scheme(&self, value: &str) {
        let feature = MediaFeature { name: "prefers-color-scheme".to_owned(), value: value.to_owned() };
        self.tab.call_method(SetEmulatedMedia { media: None, features: Some(vec![feature]) }).unwrap();
    }

    /// Looks at it on a screen of another width, in pixels.
    pub fn resize(&self, width: u32) {
        let method = SetDeviceMetricsOverride {
            width,
            height: 900,
            device_scale_factor: 1.0,
            mobile: false,
            scale: None,
            screen_width: None,
            screen_height: None,
            position_x: None,
            position_y: None,
            dont_set_visible_size: None,
            screen_orientation: None,
            viewport: None,
            device_posture: None,
            display_feature: None,
        };
        self.tab.call_method(method).unwrap();
        self.wait_for(&format!("innerWidth === {width}"));
    }

    /// What an expression gives.
    pub fn ask<T: DeserializeOwned>(&self, expression: &str) -> T {
        let found = self
            .tab
            .evaluate(&format!("JSON.stringify({expression})"), true)
            .unwrap_or_else(|error| panic!("{expression}: {error}"));
        let text = found.value.unwrap_or_else(|| panic!("{expression}: {:?}", found.description));
        serde_json::from_str(text.as_str().expect("text"))
            .unwrap_or_else(|error| panic!("{expression} gives {text}: {error}"))
    }

    pub fn holds(&self, expression: &str) -> bool {
        self.ask(&format!("Boolean({expression})"))
    }

    pub fn wait_for(&self, expression: &str) {
        let begun = Instant::now();
        while !self.holds(expression) {
            assert!(begun.elapsed() < PATIENCE, "never came true: {expression}; {:?}", self.problems.lock().unwrap());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// As [`wait_for`](Self::wait_for), for what a run does: however slow the machine, it has time until the run has ended.
    pub fn follow(&self, run: &mut Running, expression: &str) {
        const LONGEST: Duration = Duration::from_secs(900);
        let begun = Instant::now();
        let mut ended: Option<Instant> = None;
        while !self.holds(expression) {
            if ended.is_none() && run.0.try_wait().expect("the run can be asked").is_some() {
                ended = Some(Instant::now());
            }
            let late = begun.elapsed() > LONGEST || ended.is_some_and(|ended| ended.elapsed() > PATIENCE);
            assert!(!late, "never came true: {expression}; {:?}", self.problems.lock().unwrap());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn focus(&self, selector: &str) {
        self.ask::<bool>(&format!("(document.querySelector({selector:?}).focus(), true)"));
    }

    pub fn press(&self, key: &str) {
        self.tab.press_key(key).unwrap();
    }

    pub fn click(&self, selector: &str) {
        let (x, y) = self.inside(selector, 0.5, 0.5);
        self.mouse(Mouse::MousePressed, x, y);
        self.mouse(Mouse::MouseReleased, x, y);
    }

    /// A point of an element, which is scrolled to: shares of its width and height.
    pub fn inside(&self, selector: &str, across: f64, down: f64) -> (f64, f64) {
        self.ask(&format!(
            "(() => {{ const e = document.querySelector({selector:?}); e.scrollIntoView({{ block: 'center', behavior: 'instant' }}); \
             const b = e.getBoundingClientRect(); return [b.left + {across} * b.width, b.top + {down} * b.height]; }})()"
        ))
    }

    pub fn mouse(&self, kind: Mouse, x: f64, y: f64) {
        let pressed = !matches!(kind, Mouse::MouseMoved | Mouse::MouseWheel);
        self.send(kind, x, y, pressed.then_some(MouseButton::Left), None);
    }

    pub fn send(&self, kind: Mouse, x: f64, y: f64, button: Option<MouseButton>, wheel: Option<f64>) {
        self.tab
            .call_method(DispatchMouseEvent {
                Type: kind,
                x,
                y,
                modifiers: None,
                timestamp: None,
                button,
                buttons: None,
                click_count: Some(1),
                force: None,
                tangential_pressure: None,
                tilt_x: None,
                tilt_y: None,
                twist: None,
                delta_x: wheel.map(|_| 0.0),
                delta_y: wheel,
                pointer_Type: None,
            })
            .unwrap();
    }

    /// After a server was gone on purpose.
    pub fn forget_problems(&self) {
        self.problems.lock().unwrap().clear();
    }

    pub fn assert_no_problems(&self) {
        let problems = self.problems.lock().unwrap();
        assert!(problems.is_empty(), "{problems:#?}");
    }
}

/// A program that is ended when it goes out of scope, whatever happened.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
