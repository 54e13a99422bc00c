"""Functions of PyTorch, right ones and wrong ones of many kinds; of a wrong one, what the page must say of it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

torch: Any = import_module("torch")
GENERATOR = torch.Generator().manual_seed(0)


class Case(NamedTuple):
    """A Function with its point; `words`: what is said of a wrong one, "" of a right one."""

    name: str
    function: Any
    args: tuple[Any, ...]
    words: str = ""


def normal(*shape: int, dtype: Any = torch.float64) -> Any:
    return torch.randn(*shape, dtype=dtype, generator=GENERATOR)


def made(forward: Callable[..., Any], backward: Callable[..., Any], setup: Any = None, **more: Any) -> Any:
    """A Function of these."""
    body = {"forward": staticmethod(forward), "backward": staticmethod(backward), **more}
    if setup is not None:
        body["setup_context"] = staticmethod(setup)
    return type(forward.__name__, (torch.autograd.Function,), body)


def saved(ctx: Any) -> Any:
    return ctx.saved_tensors


# ---------------------------------------------------------------------- forwards and right backwards


def sine(ctx: Any, x: Any) -> Any:
    ctx.save_for_backward(x)
    return x.sin()


def sine_back(ctx: Any, g: Any) -> Any:
    return g * saved(ctx)[0].cos()


def product(ctx: Any, x: Any, w: Any) -> Any:
    ctx.save_for_backward(x, w)
    return x * w


def product_back(ctx: Any, g: Any) -> Any:
    x, w = saved(ctx)
    return g * w if ctx.needs_input_grad[0] else None, g * x if ctx.needs_input_grad[1] else None


def two(ctx: Any, x: Any) -> Any:
    ctx.save_for_backward(x)
    return x.sin(), x.cos()


def power(ctx: Any, x: Any, n: int, label: str) -> Any:
    ctx.n = n
    ctx.save_for_backward(x)
    return x**n


def tripled(ctx: Any, x: Any) -> Any:
    ctx.mark_dirty(x)
    return x.mul_(3)


def marked(ctx: Any, x: Any) -> Any:
    i, m = x.argmax(), x.floor()
    ctx.mark_non_differentiable(i, m)
    ctx.save_for_backward(x)
    return x * x, i, m


def exponential(x: Any) -> Any:
    return x.exp()


def keep_output(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(output)


def exponential_back(ctx: Any, g: Any) -> Any:
    return g * saved(ctx)[0]


def softmax(ctx: Any, x: Any) -> Any:
    y = x.softmax(-1)
    ctx.save_for_backward(y)
    return y


def softmax_back(ctx: Any, g: Any) -> Any:
    (y,) = saved(ctx)
    return y * (g - (g * y).sum(-1, keepdim=True))


def squared(ctx: Any, z: Any) -> Any:
    ctx.save_for_backward(z)
    return z * z


def by_numpy(ctx: Any, x: Any) -> Any:
    y = torch.from_numpy(np.tanh(x.detach().numpy()))
    ctx.save_for_backward(y)
    return y


def convolution(ctx: Any, x: Any, w: Any, b: Any) -> Any:
    ctx.save_for_backward(x, w)
    return torch.nn.functional.conv2d(x, w, b, padding=1)


def convolution_back(ctx: Any, g: Any) -> Any:
    x, w = saved(ctx)
    grad_x = torch.nn.grad.conv2d_input(x.shape, w, g, padding=1)
    return grad_x, torch.nn.grad.conv2d_weight(x, w.shape, g, padding=1), g.sum((0, 2, 3))


def layer_norm(ctx: Any, x: Any, scale: Any, shift: Any) -> Any:
    s = (x.var(-1, unbiased=False, keepdim=True) + 1e-5).rsqrt()
    h = (x - x.mean(-1, keepdim=True)) * s
    ctx.save_for_backward(h, s, scale)
    return h * scale + shift


def layer_norm_back(ctx: Any, g: Any) -> Any:
    h, s, scale = saved(ctx)
    d = g * scale
    return s * (d - d.mean(-1, keepdim=True) - h * (d * h).mean(-1, keepdim=True)), (g * h).sum(0), g.sum(0)


def picked(ctx: Any, x: Any, i: Any) -> Any:
    ctx.save_for_backward(i)
    ctx.shape = x.shape
    return x[i]


def picked_back(ctx: Any, g: Any) -> Any:
    return torch.zeros(ctx.shape, dtype=g.dtype).index_add(0, saved(ctx)[0], g), None


def unasked(ctx: Any, x: Any) -> Any:
    ctx.set_materialize_grads(False)
    return 2 * x, 3 * x


def unasked_back(ctx: Any, a: Any, b: Any) -> Any:
    parts = [n * g for n, g in ((2, a), (3, b)) if g is not None]
    return sum(parts[1:], parts[0]) if parts else None


def in_float32(ctx: Any, x: Any) -> Any:
    ctx.save_for_backward(x)
    return (x.float() ** 2).to(x.dtype)


def inverse(ctx: Any, a: Any) -> Any:
    b = torch.linalg.inv(a)
    ctx.save_for_backward(b)
    return b


def biggest(ctx: Any, x: Any, k: int) -> Any:
    v, i = x.topk(k, -1)
    ctx.save_for_backward(i)
    ctx.shape = x.shape
    return v


def transform(ctx: Any, x: Any) -> Any:
    ctx.n = x.shape[-1]
    return torch.fft.rfft(x)


def transform_back(ctx: Any, g: Any) -> Any:
    whole = torch.cat([g, torch.zeros(*g.shape[:-1], ctx.n - g.shape[-1], dtype=g.dtype)], -1)
    return torch.fft.ifft(whole, norm="forward").real


def recurrent(ctx: Any, x: Any, w: Any) -> Any:
    states = [torch.zeros_like(x[0])]
    for step in x:
        states.append(torch.tanh(step + states[-1] @ w))
    ctx.save_for_backward(w, *states)
    return torch.stack(states[1:])


def recurrent_back(ctx: Any, g: Any) -> Any:
    w, *states = saved(ctx)
    grad_w, carried, steps = torch.zeros_like(w), torch.zeros_like(states[0]), []
    for t in reversed(range(len(g))):
        a = (g[t] + carried) * (1 - states[t + 1] ** 2)
        steps.append(a)
        grad_w = grad_w + states[t].T @ a
        carried = a @ w.T
    return torch.stack(steps[::-1]), grad_w


def attention(ctx: Any, q: Any, k: Any, v: Any) -> Any:
    p = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    ctx.save_for_backward(q, k, v, p)
    return p @ v


def attention_back(ctx: Any, g: Any) -> Any:
    q, k, v, p = saved(ctx)
    a = g @ v.mT
    s = p * (a - (a * p).sum(-1, keepdim=True)) / q.shape[-1] ** 0.5
    return s @ k, s.mT @ q, p.mT @ g


# ---------------------------------------------------------------------- wrong backwards


def writing(ctx: Any, x: Any) -> Any:
    x.mul_(2)
    return x.clone()


def spoils_saved(ctx: Any, g: Any) -> Any:
    found = softmax_back(ctx, g)
    saved(ctx)[0].mul_(0.5)
    return found


def spoils_cotangent(ctx: Any, g: Any) -> Any:
    return g.mul_(saved(ctx)[0].cos())


def as_if_contiguous(ctx: Any, g: Any) -> Any:
    (y,) = saved(ctx)
    return softmax_back(ctx, torch.as_strided(g, g.shape, y.stride()))


def flags_exchanged(ctx: Any, g: Any) -> Any:
    x, w = saved(ctx)
    return (g * w, g * x) if all(ctx.needs_input_grad) else (g * x, g * w)


def other_vmap(info: Any, dims: Any, x: Any) -> Any:
    return OTHER_VMAP.apply(1.5 * x.movedim(dims[0], 0)), 0


OTHER_VMAP = made(exponential, exponential_back, keep_output, vmap=staticmethod(other_vmap))
CALLS: list[int] = []


def remembers(ctx: Any, g: Any) -> Any:
    CALLS.append(1)
    return sine_back(ctx, g) * (1 + len(CALLS) % 2)


def no_cotangent_carried(ctx: Any, g: Any) -> Any:
    _, *states = saved(ctx)
    steps = [g[t] * (1 - states[t + 1] ** 2) for t in range(len(g))]
    return torch.stack(steps), sum(states[t].T @ steps[t] for t in range(len(g)))


def attention_unscaled(ctx: Any, g: Any) -> Any:
    grad_q, grad_k, grad_v = attention_back(ctx, g)
    return grad_q * saved(ctx)[0].shape[-1] ** 0.5, grad_k, grad_v


IMAGES = normal(2, 3, 5, 4), normal(2, 3, 3, 3), normal(2)
ROWS = normal(4, 6), normal(6), normal(6)
HEADS = normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 2)
PLACES = normal(6), torch.tensor([0, 2, 2, 5])
COMPLEX = torch.view_as_complex(normal(3, 2))

RIGHT = [
    Case("needs_input_grad", made(product, product_back), (normal(3), normal(3))),
    Case("mark_dirty", made(tripled, lambda ctx, g: 3 * g), (normal(4),)),
    Case("a vmap rule", made(exponential, exponential_back, keep_output, generate_vmap_rule=True), (normal(3, 2),)),
    Case(
        "several outputs", made(two, lambda ctx, a, b: a * saved(ctx)[0].cos() - b * saved(ctx)[0].sin()), (normal(4),)
    ),
    Case(
        "numbers and words",
        made(power, lambda ctx, g: (g * ctx.n * saved(ctx)[0] ** (ctx.n - 1), None, None)),
        (normal(4), 3, "a"),
    ),
    Case("mark_non_differentiable", made(marked, lambda ctx, g, a, b: 2 * g * saved(ctx)[0]), (normal(4),)),
    Case("softmax", made(softmax, softmax_back), (normal(3, 4),)),
    Case("complex", made(squared, lambda ctx, g: 2 * g * saved(ctx)[0].conj()), (COMPLEX,)),
    Case("by NumPy", made(by_numpy, lambda ctx, g: g * (1 - saved(ctx)[0] ** 2)), (normal(4),)),
    Case("convolution", made(convolution, convolution_back), IMAGES),
    Case("layer norm", made(layer_norm, layer_norm_back), ROWS),
    Case("indices", made(picked, picked_back), PLACES),
    Case("no materialized gradients", made(unasked, unasked_back), (normal(3),)),
    Case(
        "float32 inside",
        made(in_float32, lambda ctx, g: (2 * saved(ctx)[0].float() * g.float()).to(g.dtype)),
        (normal(5),),
    ),
    Case("float32", made(product, product_back), (normal(3, dtype=torch.float32), normal(3, dtype=torch.float32))),
    Case(
        "an inverse",
        made(inverse, lambda ctx, g: -saved(ctx)[0].mT @ g @ saved(ctx)[0].mT),
        (normal(3, 3) + 3 * torch.eye(3, dtype=torch.float64),),
    ),
    Case(
        "the largest",
        made(biggest, lambda ctx, g: (torch.zeros(ctx.shape, dtype=g.dtype).scatter(-1, saved(ctx)[0], g), None)),
        (normal(3, 6), 2),
    ),
    Case("a transform", made(transform, transform_back), (normal(2, 6),)),
    Case("a recurrence", made(recurrent, recurrent_back), (normal(4, 2, 3), normal(3, 3))),
    Case("attention", made(attention, attention_back), HEADS),
]

WRONG = [
    Case(
        "a cotangent as if contiguous",
        made(softmax, as_if_contiguous),
        (normal(3, 4),),
        "a cotangent that is not contiguous",
    ),
    Case(
        "a saved tensor spoilt",
        made(softmax, spoils_saved),
        (normal(3, 4),),
        "backward writes to a tensor that was saved",
    ),
    Case(
        "flags exchanged",
        made(product, flags_exchanged),
        (normal(3), normal(3)),
        "where one input at a time needs a gradient",
    ),
    Case("a factor", made(sine, lambda ctx, g: 2 * sine_back(ctx, g)), (normal(4),), "2 times too large"),
    Case("a cotangent written to", made(sine, spoils_cotangent), (normal(4),), "backward writes to grad_output"),
    Case(
        "an input written to", made(writing, lambda ctx, g: 2 * g), (normal(4),), "writes to x without ctx.mark_dirty"
    ),
    Case(
        "an output left out",
        made(two, lambda ctx, a, b: a * saved(ctx)[0].cos()),
        (normal(4),),
        "leaves out what comes through y[1]",
    ),
    Case(
        "None for a gradient",
        made(product, lambda ctx, g: (g * saved(ctx)[1], None)),
        (normal(3), normal(3)),
        "zero everywhere",
    ),
    Case("another vmap", OTHER_VMAP, (normal(3, 2),), "under vmap"),
    Case("the other convention", made(squared, lambda ctx, g: 2 * g * saved(ctx)[0]), (COMPLEX,), "conjugated"),
    Case(
        "set for add",
        made(picked, lambda ctx, g: (torch.zeros(ctx.shape, dtype=g.dtype).index_put((saved(ctx)[0],), g), None)),
        PLACES,
        "keeps only the last",
    ),
    Case("a memory", made(sine, remembers), (normal(4),), "is another one"),
    Case(
        "a mean for a sum",
        made(convolution, lambda ctx, g: (*convolution_back(ctx, g)[:2], g.mean((0, 2, 3)))),
        IMAGES,
        "too small",
    ),
    Case(
        "a filter not flipped",
        made(
            convolution,
            lambda ctx, g: (
                torch.nn.functional.conv2d(g, saved(ctx)[1].transpose(0, 1), padding=1),
                *convolution_back(ctx, g)[1:],
            ),
        ),
        IMAGES,
        "flipped the wrong way round",
    ),
    Case(
        "a norm without its mean",
        made(layer_norm, lambda ctx, g: (saved(ctx)[1] * g * saved(ctx)[2], *layer_norm_back(ctx, g)[1:])),
        ROWS,
        "treats every sum and mean as a constant",
    ),
    Case(
        "a power",
        made(power, lambda ctx, g: (g * ctx.n * saved(ctx)[0] ** ctx.n, None, None)),
        (normal(4), 3, "a"),
        "multiplied by x",
    ),
    Case("dirty, and not tripled", made(tripled, lambda ctx, g: g), (normal(4),), "3 times too small"),
    Case("straight through", made(lambda ctx, x: x.round(), lambda ctx, g: g), (normal(4),), "wrong at"),
    Case(
        "a bias of one row",
        made(lambda ctx, x, b: x + b, lambda ctx, g: (g, g[0])),
        (normal(4, 3), normal(3)),
        "first sample only",
    ),
    Case(
        "a recurrence cut",
        made(recurrent, no_cotangent_carried),
        (normal(4, 2, 3), normal(3, 3)),
        "matrix product in every turn",
    ),
    Case("attention without its scale", made(attention, attention_unscaled), HEADS, "2 times too large"),
]
