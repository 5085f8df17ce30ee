//! Leaves made of futures, with the feature `async`.
//!
//! There is no executor in here: each tick polls the future once, on the thread of the tick, with a waker that does nothing.
//! A future that waits for a runtime's timers or sockets needs that runtime at work beside the tree.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::ports::{Io, Leaf, NodeError, Outcome};

/// A leaf that is RUNNING while a future is pending. `start` reads the ports and makes the future; `end` gets what came of
/// it, writes the ports, and says the result. A halt drops the future.
///
/// ```
/// use behavior_tree::{Factory, Io, Ports, Status, from_future};
///
/// async fn grasp(object: String) -> Result<f64, String> {
///     Ok(object.len() as f64)
/// }
///
/// let mut factory = Factory::new();
/// factory.register_action("Grasp", |ports: &mut Ports| {
///     let object = ports.input::<String>("object", "what to grasp");
///     let force = ports.output::<f64>("force", "how hard it was grasped [N]");
///     from_future(
///         move |io: &mut Io<'_>| Ok(grasp(io.read(object)?)),
///         move |io: &mut Io<'_>, grasped| match grasped {
///             Ok(newtons) => {
///                 io.write(force, newtons)?;
///                 Ok(Status::Success)
///             }
///             Err(reason) => Ok(io.fail(reason)),
///         },
///     )
/// })?;
/// # Ok::<(), behavior_tree::RegisterError>(())
/// ```
pub fn from_future<F, S, E>(start: S, end: E) -> impl Leaf
where
    F: Future + Send + 'static,
    S: FnMut(&mut Io<'_>) -> Result<F, NodeError> + Send + 'static,
    E: FnMut(&mut Io<'_>, F::Output) -> Outcome + Send + 'static,
{
    FutureLeaf {
        start,
        end,
        pending: None,
    }
}

struct FutureLeaf<F, S, E> {
    start: S,
    end: E,
    pending: Option<Pin<Box<F>>>,
}

impl<F, S, E> Leaf for FutureLeaf<F, S, E>
where
    F: Future + Send + 'static,
    S: FnMut(&mut Io<'_>) -> Result<F, NodeError> + Send + 'static,
    E: FnMut(&mut Io<'_>, F::Output) -> Outcome + Send + 'static,
{
    fn on_start(&mut self, io: &mut Io<'_>) -> Outcome {
        self.pending = Some(Box::pin((self.start)(io)?));
        self.on_running(io)
    }

    fn on_running(&mut self, io: &mut Io<'_>) -> Outcome {
        let Some(future) = &mut self.pending else {
            return Err(NodeError("the future has ended already".into()));
        };
        match future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Pending => Ok(crate::Status::Running),
            Poll::Ready(output) => {
                self.pending = None;
                (self.end)(io, output)
            }
        }
    }

    fn on_halted(&mut self, _: &mut Io<'_>) {
        self.pending = None;
    }
}
