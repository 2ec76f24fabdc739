extension Array where Element: Comparable {
    /// Takes elements out of a sorted array, and puts others in, in one pass over it that compares only around these.
    ///
    /// - Parameters:
    ///   - leaving: sorted; those that are not there do not matter.
    ///   - joining: sorted; none of them may be there.
    mutating func replaceSorted(_ leaving: [Element], with joining: [Element]) {
        if leaving.isEmpty && joining.isEmpty { return }
        var result: [Element] = []
        result.reserveCapacity(count - Swift.min(leaving.count, count) + joining.count)
        var (taken, left, joined) = (0, 0, 0)
        while left < leaving.count || joined < joining.count {
            let isLeaving = joined == joining.count || left < leaving.count && leaving[left] <= joining[joined]
            let next = isLeaving ? leaving[left] : joining[joined]
            let end = insertionIndex(of: next, from: taken)
            result += self[taken..<end]
            taken = end
            if isLeaving {
                if taken < count, self[taken] == next { taken += 1 }
                left += 1
            } else {
                result.append(next)
                joined += 1
            }
        }
        result += self[taken...]
        self = result
    }

    /// Where the element is in the sorted array, or would be.
    private func insertionIndex(of element: Element, from start: Int) -> Int {
        var range = start..<count
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            range = self[middle] < element ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return range.lowerBound
    }
}
