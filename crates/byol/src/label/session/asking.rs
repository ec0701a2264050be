//! Which image a page is shown.

use std::time::Instant;

use super::{AWAY, Next, Page, Session, State, Why};
use crate::data::labelling::Mark;

impl Session {
    /// The image that `page` is shown, and the one that probably comes next. It stays until it is answered, however often it is asked
    /// for; no other page that is open is shown it.
    pub(super) fn shown_to(&self, state: &mut State, page: &str) -> (Option<Next>, Option<usize>) {
        state.pages.retain(|name, one| name == page || one.seen.elapsed() < 3 * AWAY);
        let now = Instant::now();
        state.pages.entry(page.to_owned()).or_insert(Page { shown: None, seen: now }).seen = now;
        let others = state.shown_elsewhere(page);
        let before = state.pages.get(page).and_then(|page| page.shown);
        let shown = before.filter(|next| self.can_show(state, *next)).or_else(|| {
            while let Some(next) = state.queue.pop_front() {
                if self.can_show(state, next) && !others.contains(&next.image) {
                    return Some(next);
                }
            }
            None
        });
        if let Some(page) = state.pages.get_mut(page) {
            page.shown = shown;
        }
        let upcoming = state.queue.iter().find(|next| !others.contains(&next.image)).map(|next| next.image);
        (shown, upcoming)
    }

    /// Whether an image has no answer and is there; one that is not is remembered.
    fn can_show(&self, state: &mut State, next: Next) -> bool {
        let mark = state.file.mark(&self.names[next.image]);
        let open = mark == Mark::Open || mark == Mark::Skipped && next.why == Why::TakenBack;
        if open && !self.paths[next.image].exists() {
            if state.gone.insert(next.image) {
                state.changed();
            }
            return false;
        }
        open
    }
}

impl State {
    /// What other pages are shown that are open.
    pub(super) fn shown_elsewhere(&self, page: &str) -> Vec<usize> {
        let others = self.pages.iter().filter(|(name, one)| *name != page && one.seen.elapsed() < AWAY);
        others.filter_map(|(_, one)| Some(one.shown?.image)).collect()
    }
}
