"""A linear program that is built row by row and solved with HiGHS."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import highspy
import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]


class SolverError(RuntimeError):
    """The solver did not find the optimum."""


@dataclass(slots=True)
class LinearProgram:
    """A linear program that is built row by row."""

    cost: list[float] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)
    row_lower: list[float] = field(default_factory=list)
    row_upper: list[float] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def variable(self, cost: float, lower: float, upper: float) -> int:
        """Add a variable with its bounds; return its column."""
        self.cost.append(cost)
        self.lower.append(lower)
        self.upper.append(upper)
        return len(self.cost) - 1

    def row(
        self, terms: Sequence[tuple[int, float]], lower: float, upper: float
    ) -> None:
        """Add a row of (column, coefficient) between two bounds."""
        self.starts.append(len(self.columns))
        for column, value in terms:
            self.columns.append(column)
            self.values.append(value)
        self.row_lower.append(lower)
        self.row_upper.append(upper)

    def solve(self) -> tuple[float, Floats]:
        """Return the least cost and the variables."""
        model = highspy.HighsLp()
        model.num_col_ = len(self.cost)
        model.num_row_ = len(self.row_lower)
        model.col_cost_ = np.array(self.cost)
        model.col_lower_ = np.array(self.lower)
        model.col_upper_ = np.array(self.upper)
        model.row_lower_ = np.array(self.row_lower)
        model.row_upper_ = np.array(self.row_upper)
        model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        model.a_matrix_.start_ = np.array([*self.starts, len(self.columns)])
        model.a_matrix_.index_ = np.array(self.columns)
        model.a_matrix_.value_ = np.array(self.values)
        if self.whole:
            kinds = np.full(len(self.cost), highspy.HighsVarType.kContinuous)
            kinds[self.whole] = highspy.HighsVarType.kInteger
            model.integrality_ = list(kinds)
        solver = highspy.Highs()
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("threads", 1)
        solver.setOptionValue("mip_rel_gap", 1e-6)
        solver.passModel(model)
        solver.run()
        if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            raise SolverError(str(solver.getModelStatus()))
        solution = np.array(solver.getSolution().col_value)
        return float(solver.getInfo().objective_function_value), solution
