//! States: the values that a model keeps between steps, in one flat memory.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use brolga_ir::ops::ParameterKind;
use brolga_ir::{Data, Graph, Tensor, Type};
use serde::{Deserialize, Serialize};

use crate::element::Element;
use crate::error::RuntimeError;
use crate::memory::{ALIGNMENT, Memory, Span, padded};

/// The size from which on a gap follows a state, and the size of the gap, in bytes. A weight and
/// its optimizer slots are read and written together. Many have a size of whole pages, so that
/// without the gap their elements would be in the same few sets of a cache.
const PAGE: usize = 4096;
const GAP: usize = 11 * ALIGNMENT;

/// Names, types and offsets of all states of a model: weights, optimizer slots, counters, running
/// statistics.
///
/// States lie in the order in which they are declared, each at a multiple of 64 bytes. A layout is
/// cheap to clone. Its serde form is the list of names and types, from which the offsets follow.
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "Vec<(String, Type)>", try_from = "Vec<(String, Type)>")]
pub struct StateLayout(Arc<Offsets>);

#[derive(PartialEq, Eq, Default)]
struct Offsets {
    entries: Vec<Entry>,
    by_name: HashMap<String, usize>,
    bytes: usize,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    ty: Type,
    span: Span,
}

impl StateLayout {
    /// A layout of these states in this order.
    ///
    /// # Errors
    /// [`RuntimeError::DuplicateState`] if two have the same name, [`RuntimeError::StateSize`] if
    /// they are too large.
    pub fn new<N: Into<String>>(
        states: impl IntoIterator<Item = (N, Type)>,
    ) -> Result<Self, RuntimeError> {
        let mut offsets = Offsets::default();
        for (name, ty) in states {
            offsets.push(name.into(), ty)?;
        }
        Ok(Self(Arc::new(offsets)))
    }

    /// The states that these graphs use, in the order of their signatures. A state that several
    /// graphs use is one state.
    ///
    /// # Errors
    /// [`RuntimeError::DuplicateState`] if two graphs disagree about a state's type,
    /// [`RuntimeError::StateSize`] if they are too large.
    pub fn of_graphs<'a>(
        graphs: impl IntoIterator<Item = &'a Graph>,
    ) -> Result<Self, RuntimeError> {
        let mut offsets = Offsets::default();
        for graph in graphs {
            let inputs = graph.inputs().iter().filter_map(|&id| graph.parameter(id));
            for input in inputs.filter(|p| p.kind == ParameterKind::State) {
                match offsets.get(&input.name) {
                    Some(entry) if entry.ty == input.ty => {}
                    _ => offsets.push(input.name.clone(), input.ty.clone())?,
                }
            }
        }
        Ok(Self(Arc::new(offsets)))
    }

    /// The number of states.
    pub fn len(&self) -> usize {
        self.0.entries.len()
    }

    /// Whether there is no state.
    pub fn is_empty(&self) -> bool {
        self.0.entries.is_empty()
    }

    /// The bytes that the memory of all states takes.
    pub fn bytes(&self) -> usize {
        self.0.bytes
    }

    /// Names and types in the order of the memory.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Type)> {
        self.0.entries.iter().map(|entry| (entry.name.as_str(), &entry.ty))
    }

    /// The type of a state.
    pub fn ty(&self, name: &str) -> Option<&Type> {
        self.0.get(name).map(|entry| &entry.ty)
    }

    /// The span of a state.
    pub(crate) fn span(&self, name: &str) -> Option<Span> {
        self.0.get(name).map(|entry| entry.span)
    }

    /// A sentence that lists the states.
    pub(crate) fn known(&self) -> String {
        match self.0.entries.as_slice() {
            [] => "there is no state at all".to_owned(),
            entries => {
                let names: Vec<_> = entries.iter().map(|e| format!("`{}`", e.name)).collect();
                format!("there are {}", names.join(", "))
            }
        }
    }
}

impl From<StateLayout> for Vec<(String, Type)> {
    fn from(layout: StateLayout) -> Self {
        layout.iter().map(|(name, ty)| (name.to_owned(), ty.clone())).collect()
    }
}

impl TryFrom<Vec<(String, Type)>> for StateLayout {
    type Error = RuntimeError;

    fn try_from(states: Vec<(String, Type)>) -> Result<Self, RuntimeError> {
        Self::new(states)
    }
}

impl Offsets {
    fn get(&self, name: &str) -> Option<&Entry> {
        self.by_name.get(name).map(|&index| &self.entries[index])
    }

    fn push(&mut self, name: String, ty: Type) -> Result<(), RuntimeError> {
        if let Some(first) = self.get(&name) {
            let (first, second) = (Box::new(first.ty.clone()), Box::new(ty));
            return Err(RuntimeError::DuplicateState { name, first, second });
        }
        let end = match ty.check() {
            Ok(()) => {
                let gap = if ty.bytes() >= PAGE { GAP } else { 0 };
                self.bytes.checked_add(padded(ty.bytes())).and_then(|end| end.checked_add(gap))
            }
            Err(_) => None,
        };
        let Some(end) = end else { return Err(RuntimeError::StateSize { name, ty }) };
        let span = Span { offset: self.bytes, bytes: ty.bytes() };
        self.bytes = end;
        self.by_name.insert(name.clone(), self.entries.len());
        self.entries.push(Entry { name, ty, span });
        Ok(())
    }
}

impl PartialEq for StateLayout {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.entries == other.0.entries
    }
}

impl Eq for StateLayout {}

impl fmt::Debug for StateLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, ty)| (name, ty.to_string()))).finish()
    }
}

/// The values of all states of a model, shared by its programs: `train_step`, `eval_step`,
/// `predict`.
#[derive(Debug)]
pub struct State {
    layout: StateLayout,
    memory: Memory,
}

impl State {
    /// States that are all zero.
    ///
    /// # Errors
    /// [`RuntimeError::Allocation`] if there is not as much memory.
    pub fn zeros(layout: &StateLayout) -> Result<Self, RuntimeError> {
        Ok(Self { layout: layout.clone(), memory: Memory::zeroed(layout.bytes())? })
    }

    /// Names, types and offsets.
    pub fn layout(&self) -> &StateLayout {
        &self.layout
    }

    /// A state as a tensor.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownState`]; [`RuntimeError::Allocation`] if there is no memory for it.
    pub fn get(&self, name: &str) -> Result<Tensor, RuntimeError> {
        let entry = self.layout.entry(name)?;
        Ok(self.memory.tensor(entry.span, &entry.ty)?)
    }

    /// Sets the value of a state.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownState`], or [`RuntimeError::TensorType`] if the tensor's type is
    /// another.
    pub fn set(&mut self, name: &str, tensor: &Tensor) -> Result<(), RuntimeError> {
        let entry = self.layout.entry(name)?;
        if entry.ty != tensor.ty() {
            let (expected, given) = (Box::new(entry.ty.clone()), Box::new(tensor.ty()));
            return Err(RuntimeError::TensorType { what: describe(name), expected, given });
        }
        self.memory.write(entry.span, tensor.data());
        Ok(())
    }

    /// The elements of a state.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownState`], or [`RuntimeError::ElementType`] if its elements are of
    /// another type.
    pub fn slice<T: Element>(&self, name: &str) -> Result<&[T], RuntimeError> {
        let entry = self.layout.entry(name)?.of_elements::<T>()?;
        Ok(self.memory.slice(entry.span))
    }

    /// The elements of a state, for writing.
    ///
    /// # Errors
    /// As [`State::slice`].
    pub fn slice_mut<T: Element>(&mut self, name: &str) -> Result<&mut [T], RuntimeError> {
        let entry = self.layout.entry(name)?.of_elements::<T>()?;
        Ok(self.memory.slice_mut(entry.span))
    }

    /// Sets all elements of a state to one value, converted as by [`Data::from_f64`].
    ///
    /// # Errors
    /// [`RuntimeError::UnknownState`].
    pub fn fill(&mut self, name: &str, value: f64) -> Result<(), RuntimeError> {
        let entry = self.layout.entry(name)?;
        self.memory.write(entry.span, &Data::from_f64(entry.ty.dtype, &[value]));
        Ok(())
    }

    /// A copy of the states.
    ///
    /// # Errors
    /// [`RuntimeError::Allocation`] if there is not as much memory.
    pub fn try_clone(&self) -> Result<Self, RuntimeError> {
        let mut copy = Self::zeros(&self.layout)?;
        copy.memory.copy_from(&self.memory);
        Ok(copy)
    }

    /// Copies the values of states of the same layout.
    ///
    /// # Errors
    /// [`RuntimeError::OtherLayout`] if the layouts differ.
    pub fn copy_from(&mut self, other: &Self) -> Result<(), RuntimeError> {
        if self.layout != other.layout {
            return Err(RuntimeError::OtherLayout);
        }
        self.memory.copy_from(&other.memory);
        Ok(())
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    pub(crate) fn memory_mut(&mut self) -> &mut Memory {
        &mut self.memory
    }
}

fn describe(name: &str) -> String {
    format!("state `{name}`")
}

impl StateLayout {
    fn entry(&self, name: &str) -> Result<&Entry, RuntimeError> {
        self.0.get(name).ok_or_else(|| RuntimeError::UnknownState {
            name: name.to_owned(),
            known: self.known(),
        })
    }
}

impl Entry {
    fn of_elements<T: Element>(&self) -> Result<&Self, RuntimeError> {
        if self.ty.dtype == T::DTYPE {
            return Ok(self);
        }
        let (what, expected) = (describe(&self.name), self.ty.clone());
        Err(RuntimeError::ElementType { what, expected, given: T::DTYPE })
    }
}
