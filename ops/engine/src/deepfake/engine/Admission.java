package deepfake.engine;

/**
 * How many runs of the workflow may be under way at once; what goes beyond is refused at once.
 *
 * <p>The limit follows the machine: it grows by one in each round that ends in time, and shrinks by
 * a quarter when one takes longer than the target (additive increase, multiplicative decrease, as
 * in TCP). So a fast machine admits more than a slow or busy one, and nobody has to tune it. Only
 * runs that used at least half of the limit count: a run that is slow by itself (a huge picture, a
 * worker that has just started) says nothing about how many fit.
 */
public final class Admission {
    /** Longest that a run should take. Callers are promised an answer within five seconds. */
    static final long TARGET_NANOS = 2_000_000_000L;

    private static final double SHRINK = 0.75;

    private final int least;
    private final int most;
    private final long mostBytes;
    private double limit;
    private int runs;
    private long bytes;
    private long lastShrunk = Long.MIN_VALUE / 2;

    /**
     * Sets the bounds of the limit.
     *
     * @param least runs that are admitted however slow they are
     * @param start the limit to begin with
     * @param most runs that are never exceeded
     * @param mostBytes bytes that the uploads under way may have together; one is always admitted
     */
    public Admission(int least, int start, int most, long mostBytes) {
        this.least = least;
        this.most = most;
        this.mostBytes = mostBytes;
        this.limit = Math.min(start, most);
    }

    /** Asks for a place; who gets one must give it back with {@link #leave}. */
    public synchronized boolean enter(long uploadBytes) {
        if (runs >= (int) limit || (runs > 0 && bytes + uploadBytes > mostBytes)) {
            return false;
        }
        runs++;
        bytes += uploadBytes;
        return true;
    }

    /**
     * Gives a place back.
     *
     * @param uploadBytes as given to {@link #enter}
     * @param tookNanos how long the run took
     * @param nowNanos the time by {@link System#nanoTime}
     */
    public synchronized void leave(long uploadBytes, long tookNanos, long nowNanos) {
        boolean busy = 2 * runs >= (int) limit;
        runs--;
        bytes -= uploadBytes;
        if (!busy) {
            return;
        }
        if (tookNanos > TARGET_NANOS) {
            // The runs that were under way at the same time tell the same story: count it once.
            if (nowNanos - lastShrunk > TARGET_NANOS) {
                limit = Math.max(least, limit * SHRINK);
                lastShrunk = nowNanos;
            }
        } else {
            limit = Math.min(most, limit + 1 / limit);
        }
    }

    synchronized int limit() {
        return (int) limit;
    }

    synchronized int runs() {
        return runs;
    }
}
