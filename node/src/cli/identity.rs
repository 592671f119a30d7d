//! `restante id`.

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use restante_interface::{Reply, Request};

use super::args::IdArgs;
use super::session::unexpected;
use super::terminal::escape_line;
use super::{Failure, Output, Session};

pub(super) fn id(session: &Session, args: &IdArgs, out: &mut Output) -> Result<(), Failure> {
    let info = match session.call(Request::Id)? {
        Reply::Id(info) => info,
        other => return Err(unexpected(&other)),
    };
    if args.json {
        return out.json(&info);
    }
    if args.qr {
        for line in qr(&info.link)? {
            // Dark on light, whatever the terminal's colours are: not every reader takes the
            // inverse.
            out.line(if out.is_terminal() {
                format!("\u{1b}[30;107m{line}\u{1b}[0m")
            } else {
                line
            })?;
        }
    }
    out.line(escape_line(if args.qr || args.link {
        &info.link
    } else {
        &info.id
    }))
}

/// Returns a text as a QR code drawn in half blocks, filled where it is dark.
fn qr(text: &str) -> Result<Vec<String>, Failure> {
    let code = QrCode::new(text).map_err(|error| {
        Failure::failed(format!("cannot draw the QR code: {error}"), "use --link")
    })?;
    let drawn = code.render::<Dense1x2>().build();
    Ok(drawn.lines().map(str::to_owned).collect())
}
