"""What every TOML file of cambench, and every objective's settings, are read by: no key too many, no silent conversion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class Strict(BaseModel):
    """No unknown keys, no silent conversions, no changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Settings(Strict):
    """Settings that leave out the keys of `unsaid` at the values there, so that runs without these keys stay the same."""

    unsaid: ClassVar[Mapping[str, Any]] = {}

    @model_serializer(mode="wrap")
    def _said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        usual = self.usual
        return {key: value for key, value in values.items() if key not in usual or value != usual[key]}

    @property
    def usual(self) -> Mapping[str, Any]:
        """The values that need no saying."""
        return self.unsaid
