//! Whether a load fits the version that it is made from, and what may be missing between the two. Pure.

use dnc_core::area::Area;
use dnc_core::listfile::ListKind;
use dnc_core::registry::{Coverage, Source};

use super::{Origin, Scope};
use crate::import::error::Error;
use crate::import::read::Lists;

/// Most notes about gaps between lists.
const MAX_GAPS: usize = 5;

// === impl Scope ===

impl Scope {
    /// Refuses what cannot be made from the version before: a part of what covers everything, and changes of
    /// what is not loaded or is newer.
    pub fn fits(&self, kind: ListKind, before: Option<&Coverage>) -> Result<(), Error> {
        let misfit = |why: &str| Err(Error::DoesNotFit(why.into()));
        match (kind, self, before) {
            (ListKind::Full, Scope::Areas(_), Some(Coverage::Everywhere(_))) => misfit(
                "the registry's active version covers everything, and these files cover some areas; \
                 load all there is",
            ),
            (ListKind::Full, _, _) => Ok(()),
            (ListKind::Changes, _, None) => {
                misfit("the registry has no active version that could be changed; load the full list first")
            }
            (ListKind::Changes, Scope::Everywhere(origin), Some(Coverage::Everywhere(known))) => {
                origin.not_older(None, known)
            }
            (ListKind::Changes, Scope::Areas(areas), Some(Coverage::Areas(known))) => {
                for (area, origin) in areas {
                    let Some(known) = known.get(area) else {
                        return Err(Error::DoesNotFit(format!(
                            "area {area} is not covered by the registry's active version; load its full list first"
                        )));
                    };
                    origin.not_older(Some(*area), known)?;
                }
                Ok(())
            }
            (ListKind::Changes, Scope::Areas(_), Some(Coverage::Everywhere(_))) => misfit(
                "the registry's active version covers everything, and has one date for all of it; \
                 load changes of everything, or the full list",
            ),
            (ListKind::Changes, Scope::Everywhere(_), Some(Coverage::Areas(_))) => {
                misfit("the registry's active version covers some areas; name the areas of the changes")
            }
        }
    }

    /// Notes where changes may be missing between what is loaded and the first change of these lists.
    pub fn note_gaps(&self, lists: &Lists, before: Option<&Coverage>, notes: &mut Vec<String>) {
        let times = lists.files.iter().flat_map(|file| &file.lists).filter_map(|list| list.times);
        let Some(first) = times.map(|times| times.earliest.date()).min() else {
            return;
        };
        let gap = |known: &Source| known.list_date.tomorrow().is_ok_and(|next| first > next);
        let note = |what: String, known: &Source| {
            format!(
                "{what}the first change is of {first}, and the list that is loaded of {}: \
                 make sure that no change list is missing in between",
                known.list_date
            )
        };
        match (self, before) {
            (Scope::Everywhere(_), Some(Coverage::Everywhere(known))) if gap(known) => {
                notes.push(note(String::new(), known));
            }
            (Scope::Areas(areas), Some(Coverage::Areas(known))) => {
                let known = areas.keys().filter_map(|area| Some((area, known.get(area)?)));
                let gaps = known.filter(|(_, known)| gap(known)).take(MAX_GAPS);
                notes.extend(gaps.map(|(area, known)| note(format!("area {area}: "), known)));
            }
            _ => {}
        }
    }
}

// === impl Origin ===

impl Origin {
    /// Refuses changes that are older than what they change.
    fn not_older(&self, area: Option<Area>, known: &Source) -> Result<(), Error> {
        if self.list_date >= known.list_date {
            return Ok(());
        }
        let area = area.map_or_else(String::new, |area| format!("area {area}: "));
        let (own, known) = (self.list_date, known.list_date);
        Err(Error::DoesNotFit(format!(
            "{area}the changes are of {own}, and the list that is loaded is newer, of {known}"
        )))
    }
}
