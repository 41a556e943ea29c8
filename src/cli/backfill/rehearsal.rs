//! `backfill --dry-run`: asks for the whole range and counts what would be sent.

use std::process::ExitCode;

use super::Work;
use crate::cli::{FAILED, preview, progress};
use crate::clock::iso;
use crate::poll::digest::Digest;
use crate::poll::past::{self, Wish};
use crate::poll::window;
use crate::source::Error;
use crate::store::documents::{DigestDoc, Document};

#[derive(Default)]
struct Count {
    questions: usize,
    rows: usize,
    readings: usize,
    left_out: usize,
    messages: usize,
    units: u64,
}

impl Work<'_> {
    pub(super) async fn rehearse(&self, wish: &Wish) -> ExitCode {
        let source = &self.member.config;
        let state = self.state().await;
        let (mut at, mut end) = (wish.from, wish.until);
        if let Some(state) = &state {
            match past::open(state, wish, self.clock.now()) {
                Ok(open) => (at, end) = (open.at, open.until),
                Err(why) => {
                    eprintln!("{}: {why}.", source.id);
                    return ExitCode::from(FAILED);
                }
            }
        }
        let known = self.digest().await;
        let bar = progress::range(at, end, &source.id);
        let from = at;
        let mut count = Count::default();
        let mut longest = source.slice;
        while let Some(slice) = window::of_range(at, end, longest) {
            count.questions += 1;
            let rows = match self.member.source.read(slice.window).await {
                Ok(answer) => answer.rows,
                Err(Error::TooManyRows { .. }) if at < end => {
                    longest = window::halve(longest, slice.window);
                    continue;
                }
                Err(error) => {
                    bar.finish_and_clear();
                    eprintln!("{}: {error}", source.id);
                    return ExitCode::from(FAILED);
                }
            };
            let rows = match &state {
                Some(state) => {
                    let known = known
                        .clone()
                        .unwrap_or_else(|| Digest::new(state.mark.unwrap_or(i64::MIN)));
                    let sifted = past::sift(state, &known, rows, wish.again);
                    count.left_out += sifted.known;
                    sifted.rows
                }
                None => rows,
            };
            count.rows += rows.len();
            count.readings += rows.readings();
            let pack = &self.wired.config.settings.pack;
            for one in preview::of(source, &rows, pack, self.clock.now()) {
                count.messages += 1;
                count.units += u64::from(one.units);
            }
            at = slice.next;
            progress::at(&bar, from, end, at, count.rows as u64);
        }
        bar.finish_and_clear();
        println!(
            "{}: {} … {}, {} questions",
            source.id,
            iso(from),
            iso(end),
            count.questions
        );
        println!(
            "  {} rows ({} readings) would be sent in {} messages, {} billing units",
            count.rows, count.readings, count.messages, count.units
        );
        if count.left_out > 0 {
            println!(
                "  {} rows were recorded before and would be left out (--again sends them)",
                count.left_out
            );
        }
        println!("Nothing was stored or sent.");
        ExitCode::SUCCESS
    }

    async fn digest(&self) -> Option<Digest> {
        let store = &self.wired.rounds.poller().store;
        match store
            .read(&self.member.config.id, DigestDoc::ID)
            .await
            .ok()??
            .document
        {
            Document::Digest(document) => Digest::from_document(&document),
            _ => None,
        }
    }
}
