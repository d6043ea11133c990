import { lookAgain } from 'c/tandemAgain';

describe('c/tandemAgain', () => {
    beforeEach(() => jest.useFakeTimers());
    afterEach(() => jest.useRealTimers());

    it('looks while Tandem is at it, and no longer', () => {
        const look = jest.fn();
        lookAgain(look);
        jest.advanceTimersByTime(2000);
        expect(look).toHaveBeenCalledTimes(1);
        jest.advanceTimersByTime(60_000);
        expect(look).toHaveBeenCalledTimes(3);
    });

    it('ends when it is told to', () => {
        const look = jest.fn();
        const end = lookAgain(look);
        jest.advanceTimersByTime(2000);
        end();
        jest.advanceTimersByTime(60_000);
        expect(look).toHaveBeenCalledTimes(1);
    });
});
