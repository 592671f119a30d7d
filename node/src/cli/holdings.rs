//! `restante holdings`.

use restante_interface::{HoldingItem, HoldingsPage, Reply, Request};

use super::args::HoldingsArgs;
use super::session::unexpected;
use super::terminal::{align, escape_line, now_ms, relative};
use super::{Failure, Output, Session};
use crate::config::units::approximate_size_bytes;

pub(super) fn holdings(
    session: &Session,
    args: &HoldingsArgs,
    out: &mut Output,
) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = page(session, after)?;
        if args.json {
            page.items.iter().try_for_each(|item| out.json(item))?;
        } else {
            // Page by page, so that a long list begins at once; all columns but the last have a fixed width.
            let rows: Vec<_> = page.items.iter().map(|item| row(item, now_ms())).collect();
            align(&rows).iter().try_for_each(|line| out.line(line))?;
        }
        if page.next.is_none() {
            if !args.json {
                out.line(total(&page))?;
            }
            return Ok(());
        }
        after = page.next;
    }
}

fn page(session: &Session, after: Option<String>) -> Result<HoldingsPage, Failure> {
    match session.call(Request::Holdings { after })? {
        Reply::Holdings(page) => Ok(page),
        other => Err(unexpected(&other)),
    }
}

fn row(item: &HoldingItem, now_ms: u64) -> Vec<String> {
    vec![
        escape_line(&item.address),
        format!("{:8}", escape_line(&item.kind)),
        format!("{:>7}", approximate_size_bytes(item.size_class)),
        format!("expires {}", relative(now_ms, item.expires_ms)),
    ]
}

fn total(page: &HoldingsPage) -> String {
    let size = approximate_size_bytes(page.total_bytes);
    format!(
        "{} items, {size}; who sent them and for whom is not known here",
        page.total_items
    )
}
