"""Four layers, written by hand: forward and backward, as one writes them for a course or a paper.

One backward is wrong on purpose: `average_pool_wrong` is right for windows that do not overlap, and for no others.
"""

import numpy as np


def dense(x, w, b):
    return x @ w + b


def dense_backward(grad_output, x, w, b):
    return {"x": grad_output @ w.T, "w": x.T @ grad_output, "b": grad_output.sum(axis=0)}


def layer_norm(x, gain, bias, *, eps=1e-5):
    centred = x - x.mean(axis=-1, keepdims=True)
    return gain * centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps) + bias


def layer_norm_backward(grad_output, x, gain, bias, *, eps=1e-5):
    centred = x - x.mean(axis=-1, keepdims=True)
    inverse = 1 / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)
    normal = centred * inverse
    grad_normal = grad_output * gain
    along = (grad_normal * normal).mean(axis=-1, keepdims=True)
    return {
        "x": inverse * (grad_normal - grad_normal.mean(axis=-1, keepdims=True) - normal * along),
        "gain": (grad_output * normal).sum(axis=0),
        "bias": grad_output.sum(axis=0),
    }


def attention(q, k, v):
    scores = q @ k.T / np.sqrt(q.shape[1])
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True) @ v


def attention_backward(grad_output, q, k, v):
    scores = q @ k.T / np.sqrt(q.shape[1])
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    grad_weights = grad_output @ v.T
    grad_scores = weights * (grad_weights - (grad_weights * weights).sum(axis=1, keepdims=True))
    grad_scores /= np.sqrt(q.shape[1])
    return {"q": grad_scores @ k, "k": grad_scores.T @ q, "v": weights.T @ grad_output}


def average_pool(x, *, window, stride):
    starts = range(0, x.shape[1] - window + 1, stride)
    return np.stack([x[:, i : i + window].mean(axis=1) for i in starts], axis=1)


def average_pool_backward(grad_output, x, *, window, stride):
    grad_x = np.zeros_like(x)
    for j in range(grad_output.shape[1]):
        grad_x[:, j * stride : j * stride + window] += grad_output[:, j : j + 1] / window
    return {"x": grad_x}


def average_pool_wrong(grad_output, x, *, window, stride):
    grad_x = np.zeros_like(x)
    for j in range(grad_output.shape[1]):
        grad_x[:, j * stride : j * stride + window] = grad_output[:, j : j + 1] / window
    return {"x": grad_x}
