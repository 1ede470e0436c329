import deepfake.engine.Admission;

/** Prints how many runs fit after slow runs, each alone, after a slow round and after fast ones. */
public final class AdmissionTrial {
    private static final long SLOW = 3_000_000_000L;
    private static final Admission admission = new Admission(4, 16, 256, Long.MAX_VALUE);

    private static int fit() {
        int entered = 0;
        while (entered < 300 && admission.enter(0)) {
            entered++;
        }
        return entered;
    }

    private static void leave(int runs, long tookNanos) {
        for (int i = 0; i < runs; i++) {
            admission.leave(0, tookNanos, System.nanoTime());
        }
    }

    public static void main(String[] arguments) {
        for (int i = 0; i < 5; i++) {
            admission.enter(0);
            leave(1, SLOW);
        }
        int full = fit();
        System.out.println("after lone slow runs: " + full);
        leave(full, SLOW);
        int shrunk = fit();
        System.out.println("after a slow round: " + shrunk);
        leave(shrunk, 0);
        for (int i = 0; i < 5; i++) {
            leave(fit(), 0);
        }
        System.out.println("more after fast rounds: " + (fit() > shrunk));
    }
}
