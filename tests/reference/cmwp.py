"""cMWP of CGC protocol §2.5: every layer a dense matrix written out entry by entry, one image, numpy, float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import nn

Array = NDArray[np.float64]
Shape = tuple[int, int, int]


def array(tensor: object) -> Array:
    """A tensor as numpy float64."""
    return tensor.detach().double().numpy()  # type: ignore[attr-defined, no-any-return]


def conv_matrix(conv: nn.Conv2d, shape: Shape) -> tuple[Array, Shape]:
    """The matrix of a convolution on inputs (K,h,w), without its bias, and the shape of its output."""
    weight, stride, pad = array(conv.weight), conv.stride[0], conv.padding[0]
    channels, size = weight.shape[0], weight.shape[2]
    tall, wide = ((side + 2 * pad - size) // stride + 1 for side in shape[1:])
    matrix = np.zeros((channels, tall, wide, *shape))
    for o, u, v in np.ndindex(channels, tall, wide):
        for k, a, b in np.ndindex(shape[0], size, size):
            i, j = u * stride + a - pad, v * stride + b - pad
            if 0 <= i < shape[1] and 0 <= j < shape[2]:
                matrix[o, u, v, k, i, j] = weight[o, k, a, b]
    return matrix.reshape(channels * tall * wide, -1), (channels, tall, wide)


def pool_matrix(x: Array, window: tuple[int, int], stride: int, kind: str) -> tuple[Array, Shape]:
    """The matrix of a pool without padding on x (K,h,w): equal weights, or 1 at the window's largest entry."""
    tall, wide = ((side - w) // stride + 1 for side, w in zip(x.shape[1:], window, strict=True))
    matrix = np.zeros((x.shape[0], tall, wide, *x.shape))
    for k, u, v in np.ndindex(x.shape[0], tall, wide):
        cells = [(u * stride + a, v * stride + b) for a in range(window[0]) for b in range(window[1])]
        chosen = cells if kind == "mean" else [max(cells, key=lambda c: x[k, c[0], c[1]])]
        for i, j in chosen:
            matrix[k, u, v, k, i, j] = 1 / len(chosen)
    return matrix.reshape(x.shape[0] * tall * wide, -1), (x.shape[0], tall, wide)


def excite(matrix: Array, x: Array, relevance: Array) -> Array:
    """R_i = x_i · Σ_j W₊_ji · R_j / (Σ_k W₊_jk x_k + 1e-20)."""
    found = np.zeros(x.size)
    for row, r in zip(np.maximum(matrix, 0), relevance.ravel(), strict=True):
        found += x.ravel() * row * (r / (row @ x.ravel() + 1e-20))
    return found.reshape(x.shape)


def norm(bn: nn.BatchNorm2d, x: Array) -> Array:
    """Batch norm in eval mode on (K,h,w)."""
    mean, var, gain, shift = (array(t)[:, None, None] for t in (bn.running_mean, bn.running_var, bn.weight, bn.bias))
    return (x - mean) / np.sqrt(var + bn.eps) * gain + shift


def apply(matrix: Array, shape: Shape, x: Array) -> Array:
    """matrix · x in a shape."""
    return (matrix @ x.ravel()).reshape(shape)


def head(fc: nn.Linear, pooled: Array, t: int, contrast: bool = True) -> Array:
    """R⁺ − R⁻ (or R⁺ alone) at the average pool (K,p,q): one softmax over the cells of class t's logits."""
    weight, bias = array(fc.weight), array(fc.bias)
    logits = np.einsum("ck,kpq->cpq", weight, pooled) + bias[:, None, None]
    q = np.exp(logits[t]) / np.exp(logits[t]).sum()
    relevance = np.zeros_like(pooled)
    for u, v in np.ndindex(*q.shape):
        plus = excite(weight[t : t + 1], pooled[:, u, v], q[u, v : v + 1])
        minus = excite(-weight[t : t + 1], pooled[:, u, v], q[u, v : v + 1])
        relevance[:, u, v] = plus - minus if contrast else plus
    return relevance


def residual(block: nn.Module, fc: nn.Linear, x: Array, window: tuple[int, int], t: int, contrast: bool = True) -> Array:
    """The map (h,w) at the input x (K,h,w) of a network that ends in one basic block with a projection, pool and fc."""
    first, shape = conv_matrix(block.conv1, x.shape)
    pre = norm(block.bn1, apply(first, shape, x))
    inner = np.maximum(pre, 0)
    second, _ = conv_matrix(block.conv2, shape)
    a = norm(block.bn2, apply(second, shape, inner))
    side, _ = conv_matrix(block.downsample[0], x.shape)
    b = norm(block.downsample[1], apply(side, shape, x))
    out = np.maximum(a + b, 0)
    pool, small = pool_matrix(out, window, 1, "mean")
    relevance = excite(pool, out, head(fc, apply(pool, small, out), t, contrast)) * (a + b > 0)
    total = a + b
    down = excite(second, inner, a / total * relevance) * (pre > 0)
    return (excite(first, x, down) + excite(side, x, b / total * relevance)).sum(0)


def plain(features: nn.Sequential, classifier: nn.Sequential, x: Array, t: int) -> Array:
    """The map (h,w) at the input x of conv – ReLU – max-pool 2 – mean-pool 2 (stride 2) – linear – ReLU – linear."""
    conv, shape = conv_matrix(features[0], x.shape)
    pre = apply(conv, shape, x) + array(features[0].bias)[:, None, None]
    act = np.maximum(pre, 0)
    largest, small = pool_matrix(act, (2, 2), 2, "max")
    pooled = apply(largest, small, act)
    mean, tiny = pool_matrix(pooled, (2, 2), 2, "mean")
    cells = apply(mean, tiny, pooled).ravel()
    hidden_pre = array(classifier[0].weight) @ cells + array(classifier[0].bias)
    hidden = np.maximum(hidden_pre, 0)
    weight, one = array(classifier[-1].weight)[t : t + 1], np.ones(1)
    below = [excite(sign * weight, hidden, one) * (hidden_pre > 0) for sign in (1, -1)]
    contrast = excite(array(classifier[0].weight), cells, below[0]) - excite(array(classifier[0].weight), cells, below[1])
    relevance = excite(largest, act, excite(mean, pooled, contrast)) * (pre > 0)
    return excite(conv, x, relevance).sum(0)
