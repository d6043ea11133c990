export default 'EUR';
