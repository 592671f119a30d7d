//! Tables, in HTML.

use super::Drawn;
use crate::data::{Align, Cell, Table};
use crate::scale::usable;
use crate::text::escape;

/// Draws it.
pub(super) fn drawn(table: &Table) -> Drawn {
    if table.rows.is_empty() || table.columns.is_empty() {
        return Drawn::nothing(Vec::new());
    }
    Drawn {
        table: Some(html(table)),
        ..Drawn::default()
    }
}

/// A table that can be moved sideways where the window is too narrow for it.
pub(crate) fn html(table: &Table) -> String {
    let mut out = String::from("<div class=\"scroll\" tabindex=\"0\"><table><thead><tr>");
    for column in &table.columns {
        let class = class(column.align);
        out += &format!("<th scope=\"col\"{class}>{}</th>", escape(&column.heading));
    }
    out += "</tr></thead><tbody>";
    for row in &table.rows {
        out += "<tr>";
        for (index, column) in table.columns.iter().enumerate() {
            let inside = row.get(index).map_or_else(String::new, cell);
            let class = class(column.align);
            out += &match index {
                0 => format!("<th scope=\"row\"{class}><div>{inside}</div></th>"),
                _ => format!("<td{class}>{inside}</td>"),
            };
        }
        out += "</tr>";
    }
    out + "</tbody></table></div>"
}

fn class(align: Align) -> &'static str {
    match align {
        Align::Left => "",
        Align::Right => " class=\"right\"",
    }
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => escape(text),
        Cell::Number { value, .. } if !usable(*value) => "\u{2013}".into(),
        Cell::Number {
            value,
            unit,
            interval,
        } => {
            let figure = escape(&unit.show(*value));
            match interval.filter(|(low, high)| usable(*low) && usable(*high)) {
                None => figure,
                Some((low, high)) => {
                    let range = format!("{} to {}", unit.show(low), unit.show(high));
                    format!("{figure}<small>{}</small>", escape(&range))
                }
            }
        }
    }
}
