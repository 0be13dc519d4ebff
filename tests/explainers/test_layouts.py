"""Tokens and channels-last outputs are maps, through which gradients come back; a layer that is no map names some."""

from __future__ import annotations

import pytest
import torch
from explainers.networks import state
from torch import Tensor, nn

from cambench.explainers.batch import all_class_maps, explain
from cambench.explainers.probe import Probe, check_layer, default_layer, gap_linear_head
from cambench.explainers.probing.layout import Layout, recognise
from cambench.vocabulary import UsageError

TILES, WIDTH = 4, 16


class Block(nn.Module):
    """A transformer block; `as_tuple` returns it as some libraries do."""

    def __init__(self, as_tuple: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.mlp = nn.Linear(WIDTH, WIDTH)
        self.as_tuple = as_tuple

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, None]:
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        x = x + self.mlp(self.norm2(x))
        return (x, None) if self.as_tuple else x


class Vit(nn.Module):
    """Patches of 4 pixels, `extra` tokens before them; the head reads the first token, or without any the patches' mean."""

    def __init__(self, extra: int, as_tuple: bool = False) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, TILES, TILES)
        self.extra = nn.Parameter(torch.randn(1, extra, WIDTH))
        self.blocks = nn.ModuleList(Block(as_tuple) for _ in range(2))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, 3)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.extra.expand(len(x), -1, -1), x], 1)
        for block in self.blocks:
            x = block(x)
            x = x[0] if isinstance(x, tuple) else x
        x = self.norm(x)
        return self.head(x[:, 0] if self.extra.shape[1] else x.mean(1))


class Last(nn.Module):
    """Channels last: a stage (N,h,w,K) and its norm."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, TILES, TILES)
        self.stage = nn.Sequential(nn.Linear(width, width), nn.GELU())
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 3)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.norm(self.stage(self.patches(image).permute(0, 2, 3, 1))).mean((1, 2)))


def seeded(make: type[nn.Module], *arguments: object) -> nn.Module:
    torch.manual_seed(0)
    return make(*arguments).double().eval()


def images(high: int = 24, wide: int = 24) -> Tensor:
    return torch.randn(2, 3, high, wide, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize(
    ("extra", "expected"), [(0, "norm"), (1, "blocks.1.norm1"), (2, "blocks.1.norm1"), (5, "blocks.1.norm1")]
)
@pytest.mark.parametrize("size", [(24, 24), (16, 32)])
def test_the_default_of_tokens_is_the_last_norm_that_patches_act_through(
    extra: int, expected: str, size: tuple[int, int]
) -> None:
    net, x = seeded(Vit, extra), images(*size)
    before = state(net)
    assert default_layer(net, x[:1]) == expected
    assert state(net) == before
    for parameter in net.head.parameters():
        torch.nn.init.zeros_(parameter)
    assert default_layer(net, x[:1]) == expected  # a head that begins at zero, as torchvision's
    torch.nn.init.normal_(net.head.weight)
    maps = explain(net, x, "hires-cam")
    assert maps.shape == (2, size[0] // TILES, size[1] // TILES) and bool(maps.abs().amax((1, 2)).gt(0).all())


@pytest.mark.parametrize("layer", ["blocks.0", "blocks.1.norm1", "patches"])
@pytest.mark.parametrize("as_tuple", [False, True])
def test_maps_of_tokens_are_gradient_times_token(layer: str, as_tuple: bool) -> None:
    net, x = seeded(Vit, 2, as_tuple), images()
    seen: list[Tensor] = []

    def keep(module: nn.Module, arguments: object, output: Tensor | tuple[Tensor, None]) -> None:
        seen[:] = [output[0] if isinstance(output, tuple) else output]

    with net.get_submodule(layer).register_forward_hook(keep):
        logits = net(x)
    (gradient,) = torch.autograd.grad(logits[:, 1].sum(), seen[0])
    product = (gradient * seen[0]).detach()
    expected = product.sum(1) if layer == "patches" else product.sum(2)[:, 2:].reshape(2, 6, 6)
    found = explain(net, x, "hires-cam", classes=torch.tensor([1, 1]), layer=layer)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(all_class_maps(net, x, layer=layer)[:, 1], expected)


@pytest.mark.parametrize("trunk_graph", [False, True])
@pytest.mark.parametrize(("make", "layer"), [((Vit, 3), "blocks.0"), ((Vit, 3, True), "blocks.0"), ((Last,), "stage")])
def test_the_probe_changes_no_logit_and_its_map_is_the_output(
    make: tuple[type[nn.Module], ...], layer: str, trunk_graph: bool
) -> None:
    net, x = seeded(*make), images()
    expected = net(x).detach()
    with Probe(net, layer, trunk_graph=trunk_graph) as probe:
        torch.testing.assert_close(net(x).detach(), expected)
        assert probe.activation.shape == (2, WIDTH, 6, 6) and probe.activation.requires_grad


@pytest.mark.parametrize("width", [WIDTH, 6])  # 6 channels on a grid of 6×6: only another image tells
@pytest.mark.parametrize("layer", ["stage", "norm"])
def test_channels_last_are_not_read_as_width(width: int, layer: str) -> None:
    net, x = seeded(Last, width), images()
    assert default_layer(net, x[:1]) == "norm"
    with Probe(net, layer) as probe:
        net(x)
        found = probe.activation
    direct = net.stage(net.patches(x).permute(0, 2, 3, 1))
    direct = net.norm(direct) if layer == "norm" else direct
    torch.testing.assert_close(found.detach(), direct.permute(0, 3, 1, 2).detach())
    head = gap_linear_head(net, layer, x[:1])
    assert head is (net.head if layer == "norm" else None)
    if head is not None:
        expected = torch.einsum("nhwk,k->nhw", direct, net.head.weight[2]).detach()
        torch.testing.assert_close(explain(net, x, "cam", classes=torch.tensor([2, 2])), expected)


def test_norms_of_another_library_are_norms_but_for_those_of_channels_first() -> None:
    class LayerNorm(nn.LayerNorm):
        """As timm has it."""

    class LayerNorm2d(nn.LayerNorm):
        """As torchvision has it."""

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    net, x = seeded(Vit, 1), images()
    for block in net.blocks:
        block.norm1, block.norm2 = LayerNorm(WIDTH).double(), LayerNorm(WIDTH).double()
    net.norm = LayerNorm(WIDTH).double()
    assert default_layer(net, x[:1]) == "blocks.1.norm1"
    first = nn.Sequential(nn.Conv2d(3, 6, 4, 4), LayerNorm2d(6), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2))
    with Probe(first.double(), "1") as probe:
        first(x)
        torch.testing.assert_close(probe.activation.detach(), first[1](first[0](x)).detach())


def test_a_square_of_channels_in_a_convolutional_network_stays_channels_first() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 4, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(6), nn.Linear(6, 2)
    )
    with Probe(net, "1") as probe:
        net(images().float())
        torch.testing.assert_close(probe.activation.detach(), net[1](net[0](images().float())).detach())


def test_layouts_there_and_back() -> None:
    net = Vit(1)
    for output, layout in (
        (torch.randn(2, 37, WIDTH), Layout("tokens", (6, 6), 1)),
        (torch.randn(2, 9, WIDTH), Layout("tokens", (3, 3), 0)),  # merged patches
        (torch.randn(2, 6, 6, WIDTH), Layout("channels-last", (6, 6))),
        (torch.randn(2, WIDTH, 3, 3), Layout("channels-first", (3, 3))),
    ):
        assert recognise(output, net.head, net, images()) == layout
        found = layout.to_map(output)
        assert found.shape == (2, WIDTH, *layout.grid)
        torch.testing.assert_close(layout.restore(output, found), output, rtol=0, atol=0)
    for other in (torch.randn(2, 5), torch.randn(2, 37, 7), torch.randn(8, 6, 6, WIDTH), (1, 2), None):
        assert recognise(other, net.head, net, images()) is None


def test_a_layer_that_is_no_map_names_some_that_are() -> None:
    net, x = seeded(Vit, 1), images()
    told = r"layer head: expected .* got \(2, 3\), no map; name a layer that has one: blocks.1.norm1, "
    with pytest.raises(UsageError, match=told) as caught:
        explain(net, x, layer="head")
    assert "\n" not in str(caught.value)
    for layer, text in (
        ("head", r"got \(1, 3\), no map"),
        ("norm", "none of its patch tokens"),
        ("blocks.1", "none of its"),
    ):
        with pytest.raises(UsageError, match=rf"layer {layer}: .*{text}.* explained: blocks.1.norm1,") as caught:
            check_layer(net, layer, x[:1])
        assert not {"norm", "blocks.1"} & set(str(caught.value).partition("explained: ")[2].rstrip(".").split(", "))
    check_layer(net, "blocks.0", x[:1])


def test_a_forward_without_gradients_is_one_line() -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.one, self.two = nn.Conv2d(3, 4, 1), nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, image: Tensor) -> Tensor:
            with torch.no_grad():
                features = self.one(self.conv(image).amax((2, 3)))
            return self.two(features)

    net, x = seeded(Cut), images()
    for explainer, place in (("grad-cam", "layer conv"), ("gradient", "input"), ("integrated-gradients", "input")):
        with pytest.raises(UsageError, match=rf"{place}: expected a gradient of the logits, got none.*no_grad.*mend"):
            explain(net, x, explainer)
    with pytest.raises(UsageError, match="expected a gradient"):
        all_class_maps(net, x)
    assert explain(net, x, "random").shape == (2, 24, 24)
