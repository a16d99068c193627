"""The classifiers of scikit-learn: a naive baseline, and three that draw a line or a curve."""

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from speech.classifiers.estimator_file import read_estimator, write_estimator
from speech.classifiers.protocol import Labelled
from speech.errors import UserError
from speech.features.examples import Form
from speech.params import Dummy, Lda, Logistic, Svm


class ScikitClassifier:
    """A scikit-learn estimator under the protocol of `speech.classifiers.protocol.Classifier`."""

    form: Form = "pooled"
    stops_early = False
    calibration_fits = 3
    workers = "threads"
    """scikit-learn's solvers release the GIL, and threads spare them the start of processes."""

    def __init__(self, estimator: BaseEstimator) -> None:
        self.estimator = estimator
        self.curves: list[dict[str, float]] = []
        self.best_epochs = 0

    @property
    def classes(self) -> list[str]:
        """The labels, sorted."""
        return [str(name) for name in self.estimator.classes_]

    def fit(self, training: Labelled, validation: Labelled | None = None) -> Self:  # noqa: ARG002
        """Learn from all training data and its copies; nothing here stops early."""
        heard = training.with_copies()
        self.estimator.fit(heard.inputs, heard.labels)
        return self

    def predict_proba(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of each class, shape (examples, classes)."""
        return self.estimator.predict_proba(inputs).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write the estimator as JSON and safetensors."""
        folder.mkdir(parents=True, exist_ok=True)
        write_estimator(folder, self.estimator)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        classifier = cls.__new__(cls)
        ScikitClassifier.__init__(classifier, read_estimator(folder))
        return classifier


class DummyBaseline(ScikitClassifier):
    """Knows how frequent each label is, and nothing else: there is no certainty to correct."""

    calibration_fits = 0

    def __init__(self, settings: Dummy, seed: int) -> None:
        super().__init__(DummyClassifier(strategy=settings.strategy, random_state=seed))


class LogisticModel(ScikitClassifier):
    """Multinomial logistic regression on standardised features."""

    def __init__(self, settings: Logistic, seed: int) -> None:
        regression = LogisticRegression(
            C=settings.C, max_iter=settings.max_iter, class_weight="balanced", random_state=seed
        )
        super().__init__(make_pipeline(StandardScaler(), regression))


class SvmModel(ScikitClassifier):
    """Support vector machine on standardised features, one machine for each two labels.

    It knows margins and no probabilities. A label's score is its margin over its strongest rival:
    unlike the machines' votes, it tells a near miss from a clear one. Its softmax still wants a
    temperature.
    """

    def __init__(self, settings: Svm, seed: int) -> None:  # noqa: ARG002
        machine = SVC(
            C=settings.C,
            kernel=settings.kernel,
            gamma=settings.gamma,
            class_weight="balanced",
            decision_function_shape="ovo",
        )
        super().__init__(make_pipeline(StandardScaler(), machine))

    def predict_proba(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the softmax of the margins over the strongest rivals."""
        margins = self.estimator.decision_function(inputs)
        count = len(self.classes)
        if count == 2:
            # Of two labels, scikit-learn counts what speaks for the second as positive.
            margins = -margins[:, np.newaxis]
        over = np.full((len(inputs), count, count), np.inf)
        first, second = np.triu_indices(count, k=1)
        over[:, first, second] = margins
        over[:, second, first] = -margins
        return softmax(over.min(axis=2), axis=1).astype(np.float32)


class LdaModel(ScikitClassifier):
    """Linear discriminant analysis on standardised features, all labels equally likely before.

    It learns one mean per label, and of all labels together how chunks of one label differ. So a
    label with a minute of speech is told as the others are, and what differs inside a label, be it
    sounds or sessions, counts little between labels.
    """

    def __init__(self, settings: Lda, seed: int) -> None:  # noqa: ARG002
        analysis = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=settings.shrinkage)
        super().__init__(make_pipeline(StandardScaler(), analysis))

    def fit(self, training: Labelled, validation: Labelled | None = None) -> Self:
        """Learn from all training data and its copies; nothing here stops early."""
        heard = training.with_copies()
        count = len(set(heard.labels.tolist()))
        if len(heard.labels) <= count:
            raise UserError(
                "models: lda needs a label with two chunks to learn from, and here each has one; "
                "take it out of models, or add recordings."
            )
        analysis = self.estimator[-1].set_params(priors=np.full(count, 1 / count))
        super().fit(heard, validation)
        # Of no use for predicting, and many times larger than what is.
        del analysis.covariance_
        return self
