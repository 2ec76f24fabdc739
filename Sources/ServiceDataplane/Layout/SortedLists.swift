extension Array where Element: Comparable {
    /// Takes elements out of a sorted array, and puts others in.
    ///
    /// Only what stands between these moves, by as many places as more have come than gone before it; and only around these is compared.
    ///
    /// - Parameters:
    ///   - leaving: sorted; those that are not there do not matter.
    ///   - joining: sorted; none of them may be there.
    mutating func replaceSorted(_ leaving: [Element], with joining: [Element]) {
        if leaving.isEmpty && joining.isEmpty { return }
        var moves: [(range: Range<Int>, shift: Int)] = []
        var places: [Int] = []
        var (taken, left, joined, shift) = (0, 0, 0, 0)
        while left < leaving.count || joined < joining.count {
            let isLeaving = joined == joining.count || left < leaving.count && leaving[left] <= joining[joined]
            let next = isLeaving ? leaving[left] : joining[joined]
            let end = insertionIndex(of: next, from: taken)
            if shift != 0, taken < end { moves.append((taken..<end, shift)) }
            taken = end
            if isLeaving {
                if taken < count, self[taken] == next { (taken, shift) = (taken + 1, shift - 1) }
                left += 1
            } else {
                places.append(end + shift)
                (joined, shift) = (joined + 1, shift + 1)
            }
        }
        if shift != 0, taken < count { moves.append((taken..<count, shift)) }
        if let filler = joining.first, shift > 0 { append(contentsOf: repeatElement(filler, count: shift)) }
        withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            // Targets are in the order of their sources: so none overwrites the source of another that moves the other way, or stays.
            for move in moves where move.shift < 0 {
                (base + move.range.lowerBound + move.shift).update(
                    from: base + move.range.lowerBound, count: move.range.count)
            }
            for move in moves.reversed() where move.shift > 0 {
                (base + move.range.lowerBound + move.shift).update(
                    from: base + move.range.lowerBound, count: move.range.count)
            }
            for (place, element) in zip(places, joining) { buffer[place] = element }
        }
        if shift < 0 { removeLast(-shift) }
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
