//! A small collection of documents: they are records of a namespace of the server's own.
//!
//! A document's id is its record's id and generation. It is changed as one step, so that of two
//! changes at once both are kept.

use std::sync::{Arc, OnceLock};

use registry_core::{
    Claim, Declared, Discovery, Error, Generation, Guard, Invalid, Key, OnConflict, Query,
    Registry, Slot, Term, Timestamp,
};
use ulid::Ulid;

use crate::sequence::Sequence;

/// One collection.
pub(crate) struct Collection {
    registry: Registry,
    sequence: Arc<Sequence>,
    namespace: &'static str,
}

/// What a change is made with: ids and the time for what it adds.
pub(crate) struct Moment {
    sequence: Arc<Sequence>,
    pub(crate) at: Timestamp,
}

/// Why a document was not changed.
#[derive(Debug)]
pub(crate) enum Unchanged<R> {
    /// Whoever was to change it refused, with this reason.
    Refused(R),
    /// The registry did.
    Failed(Error),
}

// === impl Moment ===

impl Moment {
    /// A new id.
    pub(crate) fn id(&self) -> Ulid {
        self.sequence.next(self.at, |id| id)
    }
}

// === impl Collection ===

impl Collection {
    /// The collection whose documents are the records of `namespace`, with ids from `sequence`.
    pub(crate) fn new(
        registry: Registry,
        sequence: Arc<Sequence>,
        namespace: &'static str,
    ) -> Self {
        Self { registry, sequence, namespace }
    }

    /// Adds the document that `make` makes of its id and the time. Durable when it returns.
    ///
    /// # Errors
    /// Those of [`Registry::register`].
    pub(crate) async fn create(
        &self,
        make: impl FnOnce(Ulid, Timestamp) -> Declared,
    ) -> Result<Arc<Slot>, Error> {
        let now = self.registry.wall();
        let queued = self.sequence.next(now, |id| {
            let text = id.to_string();
            let claim = Claim {
                generation: Some(Generation::new(&text)?),
                on_conflict: Some(OnConflict::Refuse),
                ..Claim::default()
            };
            let declared = Declared { term: Term::Endless, ..make(id, now) };
            Ok::<_, Error>(self.registry.register(
                Key::new(self.namespace, &text)?,
                declared,
                claim,
            ))
        });
        Ok(queued?.await?.slot)
    }

    /// The document of this id.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Slot>> {
        self.registry.get(self.namespace, id)
    }

    /// The documents that meet the query, oldest first.
    pub(crate) fn list(&self, query: Query) -> Discovery {
        self.registry.discover(&query.in_namespace(self.namespace).including_stale())
    }

    /// How many documents there are.
    pub(crate) fn len(&self) -> usize {
        self.list(Query::any()).len()
    }

    /// Changes a document as one step: `edit` sees it as it is then. Durable when it returns.
    ///
    /// # Errors
    /// What `edit` refuses, and those of [`Registry::update`]. Nothing is changed then.
    pub(crate) async fn update<R: Send + Sync + 'static>(
        &self,
        id: &str,
        edit: impl FnOnce(&mut Declared, &Moment) -> Result<(), R> + Send + 'static,
    ) -> Result<Arc<Slot>, Unchanged<R>> {
        let refused = Arc::new(OnceLock::new());
        let tell = Arc::clone(&refused);
        let moment = Moment { sequence: Arc::clone(&self.sequence), at: self.registry.wall() };
        let edit = move |declared: &mut Declared| {
            edit(declared, &moment).map_err(|reason| {
                let _first = tell.set(reason);
                Invalid::new("document", "was not changed")
            })
        };
        let done = self.registry.update(self.namespace, id, Guard::default(), edit).await;
        done.map(|done| done.slot).map_err(|error| {
            match Arc::into_inner(refused).and_then(OnceLock::into_inner) {
                Some(reason) => Unchanged::Refused(reason),
                None => Unchanged::Failed(error),
            }
        })
    }

    /// Removes a document.
    ///
    /// # Errors
    /// Those of [`Registry::deregister`].
    pub(crate) async fn remove(&self, id: &str) -> Result<(), Error> {
        self.registry.deregister(self.namespace, id, Guard::default()).await.map(|_| ())
    }
}
