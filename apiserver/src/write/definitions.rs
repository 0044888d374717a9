//! What follows from a CustomResourceDefinition: its objects are served, and go with it.

use super::{Place, Writer, collect::Changed};
use crate::{
    custom,
    object::{GroupResource, Object},
};

impl Writer<'_> {
    /// Serves what was defined, or no longer serves it.
    pub(super) fn follow_definition(&mut self, changed: &Changed) {
        if changed.place.id != custom::definitions() {
            return;
        }
        match (&changed.before, &changed.after) {
            (_, Some(after)) => self.serve_definition(&changed.place, after),
            (Some(before), None) => self.end_definition(before),
            (None, None) => {}
        }
    }

    /// The status is a revision of its own: the real server's controllers write it a moment later.
    fn serve_definition(&mut self, place: &Place, definition: &Object) {
        let versions = custom::resources(definition.value());
        let (group, plural) = custom::names(definition.value());
        self.state.catalog.set_custom(group, plural, versions);
        let mut established = definition.value().clone();
        custom::establish(&mut established, self.now);
        if established != *definition.value() {
            self.put(place, established);
        }
    }

    /// Nothing can be read that nobody can describe: the objects go first.
    fn end_definition(&mut self, definition: &Object) {
        let (group, plural) = custom::names(definition.value());
        let id = GroupResource::new(group, plural);
        let keys: Vec<_> = self.state.store.collection(&id).into_iter().flat_map(|all| all.keys().cloned()).collect();
        for key in keys {
            self.remove(&Place { id: id.clone(), key });
        }
        self.state.catalog.set_custom(group, plural, Vec::new());
    }
}
