//! The walk over a model's nodes: each node's op makes values of values.
//!
//! A node whose operands are all known, and no weights, is computed at once, in a graph of its own:
//! so the shapes that exporters compute node by node are known where an op needs them.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

use brolga_ir::{Mistake, Origin, Role, Tracer, interpret};

use crate::call::{Call, Out};
use crate::element::ElementType;
use crate::error::{Fault, NodeName, OnnxError};
use crate::model::OnnxModel;
use crate::ops::{self, Lower};
use crate::proto::{AttributeProto, FunctionProto, GraphProto, NodeProto, OperatorSetIdProto};
use crate::value::{Declare, Operand, Value};

/// How deep functions and graphs inside of nodes may be nested.
const MAX_DEPTH: usize = 64;

/// How many nodes a model may have with its functions written out and its loops unrolled.
const MAX_NODES: usize = 1 << 17;

/// The most elements of a tensor that is computed while a model is imported.
const MAX_FOLDED: usize = 1 << 20;

/// The most elements of all operands and results that are computed while a model is imported. Others
/// are computed by the graph.
const MAX_FOLDED_IN_ALL: usize = 1 << 26;

/// The most elements of the operands of a product that is computed while a model is imported: the
/// time it takes grows faster than they do.
const MAX_FACTORS: usize = 1 << 14;

/// An import of a model into a graph.
pub(crate) struct Import<'m> {
    pub(crate) model: &'m OnnxModel,
    pub(crate) tracer: Tracer,
    pub(crate) declare: &'m Declare<'m>,
    /// Whether the graph is thrown away: it shows whether a step of a loop can be one.
    pub(crate) is_tried: bool,
    depth: Cell<usize>,
    nodes: Cell<usize>,
    /// The elements that were computed.
    folded: Cell<usize>,
}

/// The values that have a name in a graph or a function.
pub(crate) struct Scope<'s> {
    values: HashMap<String, Value>,
    outer: Option<&'s Scope<'s>>,
    opsets: &'s [OperatorSetIdProto],
    /// Of a function, the attributes that its call gives.
    attributes: HashMap<String, AttributeProto>,
}

impl<'s> Scope<'s> {
    /// An empty scope for nodes of these versions.
    pub(crate) fn new(opsets: &'s [OperatorSetIdProto]) -> Self {
        Self { values: HashMap::new(), outer: None, opsets, attributes: HashMap::new() }
    }

    /// An empty scope inside of this one.
    pub(crate) fn inside(outer: &'s Scope<'s>) -> Self {
        Self { outer: Some(outer), ..Self::new(outer.opsets) }
    }

    /// Gives a value its name.
    pub(crate) fn bind(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    /// The value of this name, here or further outside.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name).or_else(|| self.outer?.get(name))
    }

    /// The attribute of this name that the call of the function gives.
    pub(crate) fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attributes.get(name).or_else(|| self.outer?.attribute(name))
    }
}

/// The version of a domain among these; 1 where it has none.
pub(crate) fn version(opsets: &[OperatorSetIdProto], domain: &str) -> i64 {
    let own = |opset: &&OperatorSetIdProto| ops::domain(&opset.domain) == ops::domain(domain);
    opsets.iter().find(own).map_or(1, |opset| opset.version)
}

/// The name of a node in messages.
pub(crate) fn node_name(node: &NodeProto, opsets: &[OperatorSetIdProto]) -> NodeName {
    let output = node.output.iter().find(|name| !name.is_empty());
    let name = if node.name.is_empty() { output.unwrap_or(&node.op_type) } else { &node.name };
    let op = match ops::domain(&node.domain) {
        "" => node.op_type.clone(),
        domain => format!("{domain}.{}", node.op_type),
    };
    NodeName { name: name.clone(), op, opset: version(opsets, &node.domain) }
}

impl<'m> Import<'m> {
    /// An import into the graph of this tracer; weights are declared there by `declare`.
    pub(crate) fn new(model: &'m OnnxModel, tracer: Tracer, declare: &'m Declare<'m>) -> Self {
        let [depth, nodes, folded] = [0; 3].map(Cell::new);
        Self { model, tracer, declare, is_tried: false, depth, nodes, folded }
    }

    /// Imports nodes into the graph, in their order.
    pub(crate) fn nodes(
        &self,
        nodes: &[NodeProto],
        scope: &mut Scope<'_>,
    ) -> Result<(), OnnxError> {
        for node in nodes {
            let results = self.node(node, scope)?;
            for (name, value) in node.output.iter().zip(results) {
                if !name.is_empty() {
                    scope.bind(name, value);
                }
            }
            if let Some(absent) =
                node.output.iter().find(|name| !name.is_empty() && scope.get(name).is_none())
            {
                let message = format!("it has an output `{absent}` that the op does not give");
                let help = "the model is not valid; `onnx.checker` tells more";
                return Err(self.error(node, scope, Mistake::new(message).help(help)));
            }
        }
        Ok(())
    }

    /// What a graph inside of a node gives for these inputs.
    pub(crate) fn inner(
        &self,
        graph: &GraphProto,
        inputs: Vec<Value>,
        outer: &Scope<'_>,
    ) -> Result<Vec<Value>, OnnxError> {
        self.count()?;
        let mut scope = Scope::inside(outer);
        for (input, value) in graph.input.iter().zip(inputs) {
            scope.bind(&input.name, value);
        }
        for initializer in &graph.initializer {
            let (element, tensor) = self.model.decode(initializer)?;
            scope.bind(&initializer.name, Value::known(element, tensor));
        }
        self.nested(|| self.nodes(&graph.node, &mut scope))?;
        graph.output.iter().map(|output| self.result(&output.name, &scope)).collect()
    }

    /// What a graph inside of a node gives for these inputs in the graph of another tracer, whose
    /// values `scope` has in place of those of this one.
    pub(crate) fn elsewhere(
        &self,
        tracer: &Tracer,
        is_tried: bool,
        graph: &GraphProto,
        inputs: Vec<Value>,
        scope: &Scope<'_>,
    ) -> Result<Vec<Value>, OnnxError> {
        let inside = Import {
            tracer: tracer.clone(),
            is_tried,
            depth: self.depth.clone(),
            nodes: self.nodes.clone(),
            folded: self.folded.clone(),
            ..*self
        };
        let results = inside.inner(graph, inputs, scope);
        self.nodes.set(inside.nodes.get());
        self.folded.set(inside.folded.get());
        results
    }

    /// The value of this name, which a graph or a function gives.
    pub(crate) fn result(&self, name: &str, scope: &Scope<'_>) -> Result<Value, OnnxError> {
        scope.get(name).cloned().ok_or_else(|| {
            let message = format!("the output `{name}` is not computed by any node");
            self.model.error(
                Mistake::new(message).help("the model is not valid; `onnx.checker` tells more"),
            )
        })
    }

    /// Runs something one level deeper.
    fn nested<T>(&self, run: impl FnOnce() -> Result<T, OnnxError>) -> Result<T, OnnxError> {
        if self.depth.get() >= MAX_DEPTH {
            let message = format!("functions and graphs are nested more than {MAX_DEPTH} deep");
            let help = "a function must not call itself";
            return Err(self.model.error(Mistake::new(message).help(help)));
        }
        self.depth.set(self.depth.get() + 1);
        let result = run();
        self.depth.set(self.depth.get() - 1);
        result
    }

    /// Counts a node, or a run of a graph inside of one.
    fn count(&self) -> Result<(), OnnxError> {
        self.nodes.set(self.nodes.get() + 1);
        if self.nodes.get() <= MAX_NODES {
            return Ok(());
        }
        let message = format!(
            "with functions written out and loops unrolled the model has more than {MAX_NODES} nodes"
        );
        Err(self.model.error(Mistake::new(message).help("export a smaller model")))
    }

    fn node(&self, node: &NodeProto, scope: &Scope<'_>) -> Result<Vec<Value>, OnnxError> {
        self.count()?;
        let operands = self.operands(node, scope)?;
        if let Some(function) = self.model.function(node) {
            return self.function(function, node, operands, scope);
        }
        let Some(lower) = ops::lower(&node.domain, &node.op_type) else {
            return Err(self.model.missing([(node, scope.opsets)]));
        };
        let call = Call {
            import: self,
            scope,
            node,
            operands: &operands,
            version: version(scope.opsets, &node.domain),
        };
        let results = match self.folded(lower, &call) {
            Ok(Some(results)) => Ok(results),
            Ok(None) => self.traced(lower, &call),
            Err(fault) => Err(fault),
        };
        results.map_err(|fault| self.failed(fault, node, scope))
    }

    fn operands(
        &self,
        node: &NodeProto,
        scope: &Scope<'_>,
    ) -> Result<Vec<Option<Value>>, OnnxError> {
        let operand = |name: &String| {
            if name.is_empty() {
                return Ok(None);
            }
            scope.get(name).cloned().map(Some).ok_or_else(|| {
                let message = format!("it takes `{name}`, which no node before it gives");
                let help = "nodes must stand in the order in which they are computed";
                self.error(node, scope, Mistake::new(message).help(help))
            })
        };
        let mut operands: Vec<_> = node.input.iter().map(operand).collect::<Result<_, _>>()?;
        while operands.last().is_some_and(Option::is_none) {
            operands.pop();
        }
        Ok(operands)
    }

    /// The op's nodes in the graph.
    fn traced(&self, lower: Lower, call: &Call<'_>) -> Result<Vec<Value>, Fault> {
        let name = node_name(call.node, &[]).name;
        let origin = self.tracer.inside(Origin::layer(&name, Role::Forward));
        let _scope = self.tracer.derived_scope(origin);
        let outs = lower(call)?;
        if self.tracer.error().is_some() {
            return Err(Fault::Traced);
        }
        Ok(outs.into_iter().map(|out| typed(out, call.operands)).collect())
    }

    /// The op's results as known tensors, if all operands are known; `None` if they are not, or a
    /// result is too large.
    fn folded(&self, lower: Lower, call: &Call<'_>) -> Result<Option<Vec<Value>>, Fault> {
        let operands = call.operands.iter().flatten().flat_map(Value::tensors);
        let constants = operands.clone().all(|operand| operand.is_constant());
        let elements = operands.filter_map(|operand| operand.known_elements()).sum::<usize>();
        let has_graph = call.node.attribute.iter().any(|attribute| attribute.g.is_some());
        let op = call.node.op_type.as_str();
        let most = if ops::is_product(op) { MAX_FACTORS } else { MAX_FOLDED };
        let left = MAX_FOLDED_IN_ALL.saturating_sub(self.folded.get());
        if !constants || elements > most.min(left) || has_graph || ops::is_random(op) {
            return Ok(None);
        }
        self.folded.set(self.folded.get() + elements);
        let mut elsewhere = |operand: &Rc<Operand>| operand.elsewhere();
        let moved = call.operands.iter();
        let moved: Option<Vec<Option<Value>>> = moved
            .map(|value| value.as_ref().map_or(Some(None), |v| v.try_map(&mut elsewhere).map(Some)))
            .collect();
        let Some(operands) = moved else { return Ok(None) };
        let inside = Import {
            tracer: Tracer::new("constant"),
            depth: self.depth.clone(),
            nodes: Cell::new(0),
            folded: self.folded.clone(),
            ..*self
        };
        let inner = Call { import: &inside, operands: &operands, ..*call };
        let results = match inside.traced(lower, &inner) {
            Ok(results) => results,
            Err(Fault::Traced) => return Err(inside.mistake().into()),
            Err(fault) => return Err(fault),
        };
        let results = inside.computed(results);
        self.folded.set(inside.folded.get());
        Ok(results)
    }

    /// The first mistake of an op of the IR.
    fn mistake(&self) -> Mistake {
        let error = self.tracer.error();
        error.map_or_else(|| Mistake::new("an operand is void"), |error| error.mistake)
    }

    /// Values of this import's graph, which has no inputs, as known tensors; `None` if they are too
    /// large.
    fn computed(&self, results: Vec<Value>) -> Option<Vec<Value>> {
        for operand in results.iter().flat_map(Value::tensors) {
            if operand.tensor().is_none() {
                let var = operand.var(&self.tracer, self.declare);
                let elements = var.shape().elements();
                let all = self.folded.get().saturating_add(elements);
                if elements > MAX_FOLDED || all > MAX_FOLDED_IN_ALL {
                    return None;
                }
                self.folded.set(all);
                self.tracer.output(&var);
            }
        }
        let graph = self.tracer.clone().finish().ok()?;
        let mut tensors = interpret(&graph, &[]).ok()?.into_iter();
        let mut known = |operand: &Rc<Operand>| match operand.elsewhere() {
            Some(operand) => Some(operand),
            None => tensors.next().map(|tensor| Operand::known(operand.element, tensor)),
        };
        results.iter().map(|value| value.try_map(&mut known)).collect()
    }

    /// What a function of the model gives.
    fn function(
        &self,
        function: &FunctionProto,
        node: &NodeProto,
        operands: Vec<Option<Value>>,
        outer: &Scope<'_>,
    ) -> Result<Vec<Value>, OnnxError> {
        let mut scope = Scope::new(&function.opset_import);
        for default in &function.attribute_proto {
            scope.attributes.insert(default.name.clone(), default.clone());
        }
        for given in &node.attribute {
            let value = match given.ref_attr_name.as_str() {
                "" => Some(given),
                name => outer.attribute(name),
            };
            if let Some(value) = value {
                scope.attributes.insert(given.name.clone(), value.clone());
            }
        }
        for (name, value) in function.input.iter().zip(operands) {
            if let Some(value) = value {
                scope.bind(name, value);
            }
        }
        let origin = Origin::layer(&node_name(node, &[]).name, Role::Forward);
        let within = self.tracer.derived_scope(self.tracer.inside(origin));
        let run = self.nested(|| self.function_nodes(function, &mut scope));
        drop(within);
        run.map_err(|error| match error {
            // A function's own nodes have names that the model does not show.
            OnnxError::Node { file, node: inner, mistake: Mistake { message, help } } => {
                let message = format!("in its function, {inner}: {message}");
                let node = node_name(node, outer.opsets).into();
                OnnxError::Node { file, node, mistake: Mistake { message, help } }
            }
            error => error,
        })?;
        let given = function.output.iter().zip(&node.output);
        given.map(|(name, _)| self.result(name, &scope)).collect()
    }

    /// Imports a function's nodes; operands that the call leaves out are left out of them too.
    fn function_nodes(
        &self,
        function: &FunctionProto,
        scope: &mut Scope<'_>,
    ) -> Result<(), OnnxError> {
        let absent: Vec<&String> =
            function.input.iter().filter(|name| scope.get(name).is_none()).collect();
        if absent.is_empty() {
            return self.nodes(&function.node, scope);
        }
        let without = |node: &NodeProto| {
            let mut node = node.clone();
            node.input.iter_mut().filter(|name| absent.contains(&&**name)).for_each(String::clear);
            node
        };
        let nodes: Vec<NodeProto> = function.node.iter().map(without).collect();
        self.nodes(&nodes, scope)
    }

    fn error(&self, node: &NodeProto, scope: &Scope<'_>, mistake: Mistake) -> OnnxError {
        let node = node_name(node, scope.opsets).into();
        OnnxError::Node { file: self.model.file.clone(), node, mistake }
    }

    fn failed(&self, fault: Fault, node: &NodeProto, scope: &Scope<'_>) -> OnnxError {
        match fault {
            Fault::Mistake(mistake) => self.error(node, scope, mistake),
            Fault::Traced => self.error(node, scope, self.mistake()),
            Fault::Inside(error) => *error,
            Fault::Unknown(operand) => {
                let name = node.input.get(operand).cloned().unwrap_or_default();
                OnnxError::Unknown {
                    file: self.model.file.clone(),
                    node: node_name(node, scope.opsets).into(),
                    operand,
                    inputs: self.model.inputs_of(&name),
                    name,
                }
            }
        }
    }
}

/// A result with its element type.
fn typed(out: Out, operands: &[Option<Value>]) -> Value {
    match out {
        Out::Value(value) => value,
        Out::Var(var) => {
            let kept = |element: &ElementType| {
                !element.is_native() && element.storage() == Some(var.dtype())
            };
            let mut operands = operands.iter().flatten().flat_map(Value::tensors);
            let element = operands.find_map(|operand| Some(operand.element).filter(kept));
            Value::traced(element.unwrap_or(ElementType::of_dtype(var.dtype())), var)
        }
    }
}
