"""One iteration of training by Kaldi's own Gaussians (kaldi_hmm_gmm); run as a program, since it hangs beside pywrapfst
(and is imported in the functions, since the collection of doctests imports this file).

    python kaldi_gmm.py IN.npz OUT.npz

IN has offsets, weights, means, variances (a model), features, pdf_ids, entry_weights, num_split, num_merge.  OUT gets
scores, occupancy, first, second, log_likelihood; the model after an update (updated_offsets ...), its change; that
split (without random moves) and merged to the wanted numbers of Gaussians.
"""

import sys

import numpy as np


def make_model(data):
    import kaldi_hmm_gmm as khg

    model = khg.AmDiagGmm()
    for first, last in zip(data["offsets"][:-1], data["offsets"][1:], strict=True):
        pdf = khg.DiagGmm(int(last - first), data["means"].shape[1])
        pdf.set_weights(data["weights"][first:last].astype(np.float32))
        inverse = (1.0 / data["variances"][first:last]).astype(np.float32)
        pdf.set_invvars_and_means(inverse, data["means"][first:last].astype(np.float32))
        pdf.compute_gconsts()
        model.add_pdf(pdf)
    return model


def arrays(model, name):
    pdfs = [model.get_pdf(i) for i in range(model.num_pdfs)]
    return {
        f"{name}_offsets": np.cumsum([0] + [pdf.num_gauss for pdf in pdfs]),
        f"{name}_weights": np.concatenate([pdf.weights for pdf in pdfs]),
        f"{name}_means": np.concatenate([pdf.means for pdf in pdfs]),
        f"{name}_variances": np.concatenate([pdf.vars for pdf in pdfs]),
    }


def copy_of(model):
    import kaldi_hmm_gmm as khg

    result = khg.AmDiagGmm()
    result.copy_from_am_diag_gmm(model)
    return result


def main(source, target):
    import kaldi_hmm_gmm as khg

    with np.load(source) as file:
        data = dict(file)
    model, everything = make_model(data), 0xF
    features, pdfs = data["features"].astype(np.float32), range(len(data["offsets"]) - 1)
    result = {"scores": np.array([[model.log_likelihood(pdf, frame) for pdf in pdfs] for frame in features[:50]])}
    sums = khg.AccumAmDiagGmm()
    sums.init(model, everything)
    for frame, pdf, weight in zip(features, data["pdf_ids"], data["entry_weights"], strict=True):
        sums.accumulate_for_gmm(model, frame, int(pdf), float(weight))
    parts = [sums.get_acc(pdf) for pdf in pdfs]
    result["occupancy"] = np.concatenate([part.occupancy for part in parts])
    result["first"] = np.concatenate([part.mean_accumulator for part in parts])
    result["second"] = np.concatenate([part.variance_accumulator for part in parts])
    result["log_likelihood"] = sums.tot_log_like
    updated = copy_of(model)
    change, frames = khg.mle_am_diag_gmm_update(khg.MleDiagGmmOptions(), sums, everything, updated)
    result |= {"change": change, "frames": frames, **arrays(updated, "updated")}
    occupancy = np.array([part.occupancy.sum() for part in parts], dtype=np.float32)
    more, fewer = copy_of(updated), copy_of(model)
    more.split_by_count(occupancy, int(data["num_split"]), 0.0, 0.25, 20.0)
    fewer.merge_by_count(occupancy, int(data["num_merge"]), 0.25, 20.0)
    np.savez(target, **result, **arrays(more, "split"), **arrays(fewer, "merged"))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
