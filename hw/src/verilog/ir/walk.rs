//! Walks over the tree: every name read, every target, every expression.

use super::{Arm, Assignment, Expr, Item, Statement, Target};

impl Expr {
    /// A signal or `localparam` as a whole.
    pub fn name(name: impl Into<String>) -> Expr {
        Expr::Name(name.into())
    }

    /// Calls `f` on the expression and on all inside it, outer ones first.
    pub fn visit<'a>(&'a self, f: &mut dyn FnMut(&'a Expr)) {
        f(self);
        match self {
            Expr::Literal(_) | Expr::Integer(_) | Expr::Name(_) | Expr::Part(..) => {}
            Expr::Select { index: inner, .. }
            | Expr::Unary(_, inner)
            | Expr::Repeat(_, inner)
            | Expr::Sign { value: inner, .. } => inner.visit(f),
            Expr::Binary(_, left, right) => [left, right].iter().for_each(|e| e.visit(f)),
            Expr::Conditional(a, b, c) => [a, b, c].iter().for_each(|e| e.visit(f)),
            Expr::Concat(parts) => parts.iter().for_each(|e| e.visit(f)),
        }
    }

    /// Calls `f` on the expression and on all inside it, inner ones first, to be changed.
    pub fn visit_mut(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        match self {
            Expr::Literal(_) | Expr::Integer(_) | Expr::Name(_) | Expr::Part(..) => {}
            Expr::Select { index: inner, .. }
            | Expr::Unary(_, inner)
            | Expr::Repeat(_, inner)
            | Expr::Sign { value: inner, .. } => inner.visit_mut(f),
            Expr::Binary(_, left, right) => [left, right].into_iter().for_each(|e| e.visit_mut(f)),
            Expr::Conditional(a, b, c) => [a, b, c].into_iter().for_each(|e| e.visit_mut(f)),
            Expr::Concat(parts) => parts.iter_mut().for_each(|e| e.visit_mut(f)),
        }
        f(self);
    }

    /// Calls `f` on the name of everything that is read, with the bits if they are fixed.
    pub fn reads<'a>(&'a self, f: &mut dyn FnMut(&'a str, Option<super::Part>)) {
        self.visit(&mut |e| match e {
            Expr::Name(name) | Expr::Select { name, .. } => f(name, None),
            Expr::Part(name, part) => f(name, Some(*part)),
            _ => {}
        });
    }
}

impl Statement {
    /// `target = value;`
    pub fn blocking(target: Target, value: Expr) -> Statement {
        Statement::Assign { target, value, kind: Assignment::Blocking }
    }

    /// `target <= value;`
    pub fn nonblocking(target: Target, value: Expr) -> Statement {
        Statement::Assign { target, value, kind: Assignment::Nonblocking }
    }

    /// Calls `f` on every assignment, also nested ones.
    pub fn targets<'a>(&'a self, f: &mut dyn FnMut(&'a Target)) {
        match self {
            Statement::Comment(_) => {}
            Statement::Assign { target, .. } => f(target),
            Statement::If { then, otherwise, .. } => {
                then.iter().chain(otherwise).for_each(|s| s.targets(f));
            }
            Statement::Case { arms, .. } => {
                arms.iter().flat_map(|arm| &arm.body).for_each(|s| s.targets(f));
            }
        }
    }

    /// Calls `f` on every outermost expression: tests, labels and values.
    pub fn expressions<'a>(&'a self, f: &mut dyn FnMut(&'a Expr)) {
        match self {
            Statement::Comment(_) => {}
            Statement::Assign { value, .. } => f(value),
            Statement::If { test, then, otherwise } => {
                f(test);
                then.iter().chain(otherwise).for_each(|s| s.expressions(f));
            }
            Statement::Case { test, arms } => {
                f(test);
                for Arm { labels, body, .. } in arms {
                    labels.iter().for_each(&mut *f);
                    body.iter().for_each(|s| s.expressions(f));
                }
            }
        }
    }

    /// As [`Statement::expressions`], to be changed.
    pub fn expressions_mut(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        match self {
            Statement::Comment(_) => {}
            Statement::Assign { value, .. } => f(value),
            Statement::If { test, then, otherwise } => {
                f(test);
                then.iter_mut().chain(otherwise).for_each(|s| s.expressions_mut(f));
            }
            Statement::Case { test, arms } => {
                f(test);
                for Arm { labels, body, .. } in arms {
                    labels.iter_mut().for_each(&mut *f);
                    body.iter_mut().for_each(|s| s.expressions_mut(f));
                }
            }
        }
    }

    /// Calls `f` on the name of everything that is read, with the bits if they are fixed.
    pub fn reads<'a>(&'a self, f: &mut dyn FnMut(&'a str, Option<super::Part>)) {
        self.expressions(&mut |e| e.reads(f));
    }
}

impl Item {
    /// Calls `f` on every outermost expression; what an output is connected to is not one.
    pub fn expressions<'a>(&'a self, f: &mut dyn FnMut(&'a Expr)) {
        match self {
            Item::Comment(_) => {}
            Item::Net(net) => net.value.iter().for_each(f),
            Item::Parameter(_, value) | Item::Assign(_, value) => f(value),
            Item::Instance(instance) => instance
                .connections
                .iter()
                .filter(|c| c.direction == super::Direction::Input)
                .filter_map(|c| c.value.as_ref())
                .for_each(f),
            Item::Initial(body) => body.iter().for_each(|s| s.expressions(f)),
            Item::Always(always) => always.body.iter().for_each(|s| s.expressions(f)),
        }
    }

    /// As [`Item::expressions`], to be changed.
    pub fn expressions_mut(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        match self {
            Item::Comment(_) => {}
            Item::Net(net) => net.value.iter_mut().for_each(f),
            Item::Parameter(_, value) | Item::Assign(_, value) => f(value),
            Item::Instance(instance) => instance
                .connections
                .iter_mut()
                .filter(|c| c.direction == super::Direction::Input)
                .filter_map(|c| c.value.as_mut())
                .for_each(f),
            Item::Initial(body) => body.iter_mut().for_each(|s| s.expressions_mut(f)),
            Item::Always(always) => always.body.iter_mut().for_each(|s| s.expressions_mut(f)),
        }
    }

    /// Calls `f` on the name of everything that is read, with the bits if they are fixed.
    pub fn reads<'a>(&'a self, f: &mut dyn FnMut(&'a str, Option<super::Part>)) {
        self.expressions(&mut |e| e.reads(f));
    }

    /// Calls `f` on every assignment; what an output of an instance drives is not one.
    pub fn targets<'a>(&'a self, f: &mut dyn FnMut(&'a Target)) {
        match self {
            Item::Assign(target, _) => f(target),
            Item::Initial(body) => body.iter().for_each(|s| s.targets(f)),
            Item::Always(always) => always.body.iter().for_each(|s| s.targets(f)),
            Item::Comment(_) | Item::Parameter(..) | Item::Net(_) | Item::Instance(_) => {}
        }
    }
}
